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
    from saticl.datasets import BUILT_IN

    return [adapter.name for adapter in BUILT_IN]


def tasks(ctx: typer.Context) -> Sequence[str]:
    """The tasks of the prepared folder, or the published ones while no such folder was typed, aliases included."""
    from saticl.protocols import PUBLISHED
    from saticl.tiles.manifest import Manifest

    try:
        known = Manifest.load(Path(str(ctx.params.get("data_root")))).protocols
        return list(dict.fromkeys(("offline", *known, *(name for entry in known.values() for name in entry.aliases))))
    except SaticlError:
        asked = ctx.params.get("dataset")
        of = PUBLISHED.values() if asked not in PUBLISHED else [PUBLISHED[str(asked)]]
        found = [protocol for group in of for protocol in group]
        return list(dict.fromkeys(name for protocol in found for name in (protocol.name, *protocol.aliases)))


BY_OPTION: dict[str, Names] = {"method": methods, "dataset": datasets, "task.name": tasks}
"""By the dotted name of an option."""
