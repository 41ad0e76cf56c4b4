"""The command line: `python run.py COMMAND`, or `saticl COMMAND` once installed.

Only wiring: flags come from the trees in `saticl/config`, and the work is in `saticl/commands`, whose modules are
imported when their command runs, so that `--help` answers fast.
"""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from saticl import __version__
from saticl.cli_list import HELP_NAMES, list_app
from saticl.config import (
    CompareConfig,
    DemoConfig,
    ExportConfig,
    ImportConfig,
    PredictConfig,
    PrepareConfig,
    TestConfig,
    TrainConfig,
)
from saticl.errors import InvalidOptions, SaticlError
from saticl.flags.bridge import EPILOG, SETTINGS, command
from saticl.flags.comparing import resolve_comparing, variants_of
from saticl.flags.guard import guarded, is_first_process, tell
from saticl.flags.leaves import tree
from saticl.flags.pages import GroupPage, page
from saticl.flags.resolve import Setting, check_environment, resolve
from saticl.flags.training import resolve_training
from saticl.options import FrozenOptions

TREES = (PrepareConfig, TrainConfig, TestConfig, PredictConfig, CompareConfig, ImportConfig, ExportConfig, DemoConfig)

AnyConfig = TypeVar("AnyConfig", bound=FrozenOptions)

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


def main() -> None:
    """Run the command line and leave with its exit code: 2 for a mistake of the user, 130 when interrupted."""
    try:
        _check_completion(sys.argv)
        code = app(standalone_mode=False)
    except SaticlError as error:
        tell(str(error))
        code = 2
    except typer.TyperException as error:  # raised while words are parsed, before any command runs
        tell(error.format_message())
        code = error.exit_code
    sys.exit(code)


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


def _prepare(config: PrepareConfig) -> None:
    from saticl.commands.prepare import prepare

    prepare(config)


def _train(config: TrainConfig) -> None:
    from saticl.commands.train import train

    train(config)


def _test(config: TestConfig) -> None:
    from saticl.commands.test import test

    test(config)


def _predict(config: PredictConfig) -> None:
    from saticl.commands.predict import predict

    predict(config)


def _compare(config: CompareConfig) -> None:
    from saticl.commands.compare import compare

    compare(config, variants_of(config))


def _import(config: ImportConfig) -> None:
    from saticl.commands.import_model import import_model

    import_model(config)


def _export(config: ExportConfig) -> None:
    from saticl.commands.export import export

    export(config)


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
        elif is_first_process():
            typer.echo(options.to_yaml(), nl=False)

    kind = page(tree(model), model.main)
    app.command(name, cls=kind, context_settings=SETTINGS, epilog=EPILOG)(guarded(command(model, run)))


_register("prepare", PrepareConfig, partial(resolve, PrepareConfig), _prepare)
_register("train", TrainConfig, resolve_training, _train)
_register("test", TestConfig, partial(resolve, TestConfig), _test)
_register("predict", PredictConfig, partial(resolve, PredictConfig), _predict)
_register("compare", CompareConfig, resolve_comparing, _compare)
_register("import", ImportConfig, partial(resolve, ImportConfig), _import)
_register("export", ExportConfig, partial(resolve, ExportConfig), _export)
_register("demo", DemoConfig, partial(resolve, DemoConfig), _demo)
app.add_typer(list_app, name="list")
