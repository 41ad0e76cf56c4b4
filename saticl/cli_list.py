"""`list`: what can be chosen, as a table or as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from saticl.errors import InvalidOptions
from saticl.flags import suggestions
from saticl.flags.guard import guarded
from saticl.flags.pages import GroupPage, Page

HELP_NAMES = {"help_option_names": ["-h", "--help"]}

list_app = typer.Typer(cls=GroupPage, help="Show what can be chosen: datasets, tasks, methods, encoders, decoders.")

Pattern = Annotated[str | None, typer.Argument(help="part of the name, or a pattern with *")]

AsJson = Annotated[bool, typer.Option("--json", metavar="", help="print JSON instead of a table")]


@list_app.callback(invoke_without_command=True, context_settings=HELP_NAMES)
def _listing(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit(2)


@list_app.command("datasets", cls=Page, context_settings=HELP_NAMES)
@guarded
def _list_datasets(ctx: typer.Context, pattern: Pattern = None, as_json: AsJson = False) -> None:
    """Datasets that `prepare` can read, and how to use your own."""
    from saticl.commands import listing

    _show(listing.datasets(pattern), as_json, in_sheets=True)


@list_app.command("tasks", cls=Page, context_settings=HELP_NAMES)
@guarded
def _list_tasks(
    ctx: typer.Context,
    pattern: Annotated[
        str | None,
        typer.Argument(
            help="name of a task, part of it, or a pattern with *",
            autocompletion=suggestions.completer(suggestions.tasks),
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="one dataset only", autocompletion=suggestions.completer(suggestions.datasets)),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", "--data_root", help="tasks of a folder that `prepare` wrote")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tasks: which classes are learned at which step; a single one is shown with all its classes and places."""
    from saticl.commands import orders

    if dataset is not None and data_root is not None:
        raise InvalidOptions("--dataset and --data-root cannot be used together: give one of them.")

    found = orders.orders(dataset, data_root, pattern)
    if as_json:
        _print_json([order.record for order in found])
    else:
        console = Console()
        console.print(orders.show(found, coloured=console.color_system is not None and not console.no_color))


@list_app.command("methods", cls=Page, context_settings=HELP_NAMES)
@guarded
def _list_methods(ctx: typer.Context, pattern: Pattern = None, as_json: AsJson = False) -> None:
    """Learning methods, and the defaults that they change."""
    from saticl.commands import listing

    _show(listing.methods(pattern), as_json, in_sheets=True)


@list_app.command("encoders", cls=Page, context_settings=HELP_NAMES)
@guarded
def _list_encoders(
    ctx: typer.Context,
    pattern: Pattern = None,
    as_json: AsJson = False,
) -> None:
    """Encoders of timm, and whether pretrained weights exist."""
    from saticl.commands import listing

    _show(listing.encoders(pattern), as_json)


@list_app.command("decoders", cls=Page, context_settings=HELP_NAMES)
@guarded
def _list_decoders(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Decoders, each in a line."""
    from saticl.commands import listing

    _show(listing.decoders(), as_json)


def _show(records: Sequence[Mapping[str, object]], as_json: bool, in_sheets: bool = False) -> None:
    from saticl.commands import listing

    if as_json:
        _print_json(records)
    else:
        Console().print(listing.sheets(records) if in_sheets else listing.table(records))


def _print_json(records: Sequence[Mapping[str, object]]) -> None:
    typer.echo(json.dumps(list(records), indent=2, ensure_ascii=False))
