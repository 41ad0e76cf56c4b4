"""What the shell offers behind an option whose values are names: methods, datasets, tasks. Free of torch."""

from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from saticl.errors import SaticlError

Names = Callable[[typer.Context], Sequence[str]]
"""The names that fit, with the options that were typed before."""

Completer = Callable[[typer.Context, str], list[str]]
"""What Typer calls with what was typed so far."""


def completer(names: Names) -> Completer:
    """The names that begin with what was typed."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        return [name for name in names(ctx) if name.startswith(incomplete)]

    return complete


def methods(_: typer.Context) -> Sequence[str]:
    """The learning methods."""
    from saticl.methods import METHODS

    return [spec.name for spec in METHODS]


def datasets(_: typer.Context) -> Sequence[str]:
    """The built-in datasets."""
    from saticl.datasets import DATASETS
    from saticl.datasets.folder import Folder

    return [adapter.name for adapter in DATASETS if adapter is not Folder]


def tasks(ctx: typer.Context) -> Sequence[str]:
    """The tasks of the prepared folder, or the published ones while no such folder was typed."""
    from saticl.protocols import ISPRS
    from saticl.tiles.manifest import Manifest

    try:
        return list(dict.fromkeys(("offline", *Manifest.load(Path(str(ctx.params["data_root"]))).protocols)))
    except SaticlError:
        return [protocol.name for protocol in ISPRS]


BY_OPTION: dict[str, Names] = {"method": methods, "dataset": datasets, "task.name": tasks}
"""By the dotted name of an option."""
