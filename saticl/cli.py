"""The command line: `python run.py COMMAND`, or `saticl COMMAND` once installed.

Only wiring: flags come from the trees in `saticl/config.py`, and the work is in `saticl/commands`, whose modules are
imported when their command runs, so that `--help` answers fast.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from saticl import __version__
from saticl.config import DemoConfig, ImportConfig, PrepareConfig, TestConfig, TrainConfig
from saticl.errors import InvalidOptions, SaticlError
from saticl.flags import suggestions
from saticl.flags.bridge import EPILOG, SETTINGS, command
from saticl.flags.leaves import tree
from saticl.flags.pages import GroupPage, Page, page
from saticl.flags.resolve import Setting, check_environment, resolve
from saticl.flags.training import resolve_training
from saticl.options import FrozenOptions

TREES = (PrepareConfig, TrainConfig, TestConfig, ImportConfig, DemoConfig)

AnyConfig = TypeVar("AnyConfig", bound=FrozenOptions)
Callback = Callable[..., None]

AFTER = {
    "prepare": "The same command continues where it stopped.",
    "train": "The same command with --trainer.resume continues after the last complete epoch.",
}
"""What an interrupted user can do."""

GRACE_S = 1.0
"""Seconds that silent processes wait: when one ends, a launcher stops all others, also the one that prints."""

PROGRAM = "saticl"
"""The installed command. Shells complete commands: behind `python run.py` they offer files."""

app = typer.Typer(
    name=PROGRAM,
    cls=GroupPage,
    add_completion=Path(sys.argv[0]).stem == PROGRAM,
    help="Class-incremental semantic segmentation of aerial imagery: learn land-cover classes in several steps.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # what still escapes is a bug, and its plain traceback is what we want to see
)
list_app = typer.Typer(cls=GroupPage, help="Show what can be chosen: datasets, tasks, methods, encoders.")
HELP_NAMES = {"help_option_names": ["-h", "--help"]}


def main() -> None:
    """Run the command line and leave with its exit code: 2 for a mistake of the user, 130 when interrupted."""
    try:
        _check_completion(sys.argv)
        code = app(standalone_mode=False)
    except SaticlError as error:
        _tell(str(error))
        code = 2
    except typer.TyperException as error:  # raised while words are parsed, before any command runs
        _tell(error.format_message())
        code = error.exit_code
    sys.exit(code)


def guarded(function: Callback) -> Callback:
    """The command, with mistakes printed as a sentence: exit code 2, and a traceback only with --debug."""

    @wraps(function)
    def wrapper(ctx: typer.Context, **values: object) -> None:
        try:
            function(ctx, **values)
        except SaticlError as error:
            if ctx.find_root().params["debug"]:
                traceback.print_exception(error)
            _tell(str(error))
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            _tell(f"Interrupted. {AFTER.get(ctx.info_name or '', '')}".rstrip(), label="")
            raise typer.Exit(130) from None

    return wrapper


def _is_first_process() -> bool:
    """Whether this process prints: under a launcher every process runs this, and one message is enough."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def _tell(message: str, label: str = "Error: ") -> None:
    if _is_first_process():
        Console(stderr=True, soft_wrap=True).print(Text(label, style="bold red") + Text(message))
    else:
        time.sleep(GRACE_S)


def _check_completion(words: Sequence[str]) -> None:
    asked = {"--install-completion", "--show-completion"} & set(words[1:2])
    if asked and Path(words[0]).stem != PROGRAM:
        option = asked.pop()
        raise InvalidOptions(
            f"{option} works for the command {PROGRAM} only: install it with `pip install .` and type "
            f"`{PROGRAM} {option}`."
        )


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"saticl {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True, context_settings=HELP_NAMES)
@guarded
def _root(
    ctx: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", metavar="", help="show the traceback of errors")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, metavar="", help="print the version and stop"
        ),
    ] = False,
) -> None:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for its newest version on import
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit(2)
    check_environment(os.environ, [tree(model) for model in TREES])


@list_app.callback(invoke_without_command=True, context_settings=HELP_NAMES)
def _listing(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit(2)


def _prepare(config: PrepareConfig) -> None:
    from saticl.commands.prepare import prepare

    prepare(config)


def _train(config: TrainConfig) -> None:
    from saticl.commands.train import train

    train(config)


def _test(config: TestConfig) -> None:
    from saticl.commands.test import test

    test(config)


def _import(config: ImportConfig) -> None:
    from saticl.commands.import_model import import_model

    import_model(config)


def _demo(config: DemoConfig) -> None:
    from saticl.commands.demo import demo

    demo(config)


def _register(
    name: str,
    model: type[AnyConfig],
    resolver: Callable[[Sequence[Setting]], AnyConfig],
    work: Callable[[AnyConfig], None],
) -> None:
    def run(settings: Sequence[Setting], print_config: bool) -> None:
        options = resolver(settings)
        if not print_config:
            work(options)
        elif _is_first_process():
            typer.echo(options.to_yaml(), nl=False)

    kind = page(tree(model), model.main)
    app.command(name, cls=kind, context_settings=SETTINGS, epilog=EPILOG)(guarded(command(model, run)))


_register("prepare", PrepareConfig, partial(resolve, PrepareConfig), _prepare)
_register("train", TrainConfig, resolve_training, _train)
_register("test", TestConfig, partial(resolve, TestConfig), _test)
_register("import", ImportConfig, partial(resolve, ImportConfig), _import)
_register("demo", DemoConfig, partial(resolve, DemoConfig), _demo)
app.add_typer(list_app, name="list")

AsJson = Annotated[bool, typer.Option("--json", metavar="", help="print JSON instead of a table")]


@list_app.command("datasets", cls=Page, context_settings=HELP_NAMES)
@guarded
def _list_datasets(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Datasets that `prepare` can read, and how to use your own."""
    from saticl.commands import listing

    _show(listing.datasets(), as_json)


@list_app.command("tasks", cls=Page, context_settings=HELP_NAMES)
@guarded
def _list_tasks(
    ctx: typer.Context,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="one dataset only", autocompletion=suggestions.completer(suggestions.datasets)),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", "--data_root", help="tasks of a folder that `prepare` wrote")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tasks: which classes are learned at which step."""
    from saticl.commands import listing

    if dataset is not None and data_root is not None:
        raise InvalidOptions("--dataset and --data-root cannot be used together: give one of them.")

    _show(listing.tasks(dataset, data_root), as_json)


@list_app.command("methods", cls=Page, context_settings=HELP_NAMES)
@guarded
def _list_methods(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Learning methods, and the defaults that they change."""
    from saticl.commands import listing

    _show(listing.methods(), as_json)


@list_app.command("encoders", cls=Page, context_settings=HELP_NAMES)
@guarded
def _list_encoders(
    ctx: typer.Context,
    pattern: Annotated[str | None, typer.Argument(help="part of the name, or a pattern with *")] = None,
    as_json: AsJson = False,
) -> None:
    """Encoders of timm, and whether pretrained weights exist."""
    from saticl.commands import listing

    _show(listing.encoders(pattern), as_json)


def _show(records: Sequence[Mapping[str, object]], as_json: bool) -> None:

    from saticl.commands import listing

    if as_json:
        typer.echo(json.dumps(list(records), indent=2, ensure_ascii=False))
    else:
        Console().print(listing.table(records))
