"""From an option tree to a Typer command: one flag per leaf, one help panel per section."""

import os
from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel
from rich.markup import escape

from saticl.errors import InvalidOptions
from saticl.flags import suggestions
from saticl.flags.leaves import Leaf, Tree, tree
from saticl.flags.pages import BEHIND, HelpAll
from saticl.flags.resolve import Setting, from_environment, from_file, unknown_flag
from saticl.options import FrozenOptions

AnyConfig = TypeVar("AnyConfig", bound=BaseModel)
Resolver = Callable[[Sequence[Setting]], AnyConfig]

EPILOG = (
    "An option can be set in several places; the last one in this list wins: default, default of the method, "
    "--config files in their order, environment variable, flag. "
    "The variable SATICL_TRAINER__BATCH_SIZE sets --trainer.batch-size, and so for every option. "
    "Every switch can be turned off: --trainer.amp turns it on, --trainer.no-amp turns it off. "
    "Both spellings work: --trainer.batch-size and --trainer.batch_size. "
    "Where several values are allowed, repeat the flag; in a file they are a list, in a variable they stand between "
    "commas."
)
"""The rules for all options, once per help page."""

METAVAR_WIDTH = 16
"""Wider lists of choices stand in the text of the help page."""


def spelling(token: str) -> str:
    """The declared spelling of an option's name.

    trainer.batch_size -> trainer.batch-size, no-trainer.amp -> trainer.no-amp
    """
    token = token.replace("_", "-")
    section, dot, name = token.removeprefix("no-").rpartition(".")
    return f"{section}.no-{name}" if dot and token.startswith("no-") else token


SETTINGS: dict[str, Any] = {
    "token_normalize_func": spelling,
    "help_option_names": ["-h", "--help"],
    # Unknown words are collected instead of refused by the parser, so that `unknown_flag` can say it better.
    "ignore_unknown_options": True,
    "allow_extra_args": True,
}
"""Context settings of a command with generated flags."""


def command(model: type[FrozenOptions], run: Callable[[Sequence[Setting], bool], None]) -> Callable[..., None]:
    """A function for `app.command()` with a flag per leaf of `model`; `run` gets the settings and --print-config."""
    known = tree(model)

    def callback(ctx: typer.Context, *, config: list[Path], print_config: bool, **flags: object) -> None:
        run(_settings(ctx, known, config, flags), print_config)

    context = Parameter("ctx", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [
        context,
        *(
            parameter
            for leaf in known.leaves.values()
            if not leaf.is_tree
            for parameter in (_words(leaf) if leaf.dotted == model.words else _parameters(leaf))
        ),
        *_own_parameters(bool(model.main)),
    ]
    # Typer reads the signature and the annotations.
    callback.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    callback.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    callback.__doc__ = model.__doc__
    return callback


def _settings(ctx: typer.Context, known: Tree, files: Sequence[Path], flags: dict[str, object]) -> list[Setting]:
    """What the user set, weakest first; raises InvalidOptions for words that are no option."""
    typed = _from_flags(ctx, known, flags)
    for token in ctx.args:
        raise unknown_flag(token, known)
    behind = ctx.meta.get(BEHIND, ())
    if behind:
        typed.append(Setting((BEHIND,), behind, "--"))
    overlays = [setting for file in files for setting in from_file(file, known)]
    return [*overlays, *from_environment(os.environ, known), *typed]


def _from_flags(ctx: typer.Context, known: Tree, flags: dict[str, object]) -> list[Setting]:
    """What was typed, in the order in which it was: of two opposite switches the later wins."""
    owners = {leaf.identifier: leaf for leaf in known.leaves.values()}
    owners |= {leaf.off_identifier: leaf for leaf in known.leaves.values() if leaf.switch}
    names = {name for leaf in known.leaves.values() for name in (leaf.flag, leaf.negative)}
    settings = []
    for identifier in ctx.params:
        source = ctx.get_parameter_source(identifier)
        if identifier not in owners or source is None or source.name != "COMMANDLINE":
            continue
        leaf = owners[identifier]
        if leaf.switch:
            settings.append(Setting(leaf.path, identifier == leaf.identifier, leaf.flag))
            continue
        given = flags[identifier]
        texts = [str(text) for text in given] if isinstance(given, list | tuple) else [str(given)]
        for text in texts:
            if leaf.dotted == known.words and text.startswith("-"):
                raise unknown_flag(text, known)
            if text.startswith("--") and "--" + spelling(text[2:].partition("=")[0]) in names:
                raise InvalidOptions(f"{leaf.flag} needs a value, but is followed by {text}.")
        value = leaf.value(texts, leaf.flag) if leaf.many else leaf.parsed(texts[0], leaf.flag)
        settings.append(Setting(leaf.path, value, leaf.flag))
    return settings


def _parameters(leaf: Leaf) -> list[Parameter]:
    """The flag of a leaf, or the two flags of a switch.

    Anything but a switch stays text, which pydantic alone converts and judges. The two sides of a switch are flags of
    their own, because Typer's pair needs a column that leaves no room for names on a terminal of 80 characters.
    """
    if leaf.switch:
        on = typer.Option(leaf.flag, help=_help(leaf), metavar="", show_default=False, rich_help_panel=leaf.panel)
        off = typer.Option(
            leaf.negative,
            help="turn it off",
            metavar="",
            show_default=False,
            rich_help_panel=leaf.panel,
            hidden=not leaf.default,
        )
        return [
            _keyword(leaf.identifier, Annotated[bool, on], False),
            _keyword(leaf.off_identifier, Annotated[bool, off], False),
        ]
    option = typer.Option(
        leaf.flag,
        help=_help(leaf),
        metavar=leaf.metavar if len(leaf.metavar) <= METAVAR_WIDTH else "CHOICE",
        show_default=False,
        rich_help_panel=leaf.panel,
        autocompletion=_completion(leaf),
    )
    kind = list[str] if leaf.many else str
    return [_keyword(leaf.identifier, Annotated[kind | None, option], None)]


def _words(leaf: Leaf) -> list[Parameter]:
    """What takes all words that belong to no flag."""
    metavar = leaf.dotted.upper().removesuffix("S")
    argument = typer.Argument(metavar=metavar, help=escape(leaf.help), show_default=False)
    return [_keyword(leaf.identifier, Annotated[list[str] | None, argument], None)]


def _help(leaf: Leaf) -> str:
    """The description, choices that are too long for their column, and the default."""
    choices = f" ({leaf.metavar})" if len(leaf.metavar) > METAVAR_WIDTH else ""
    again = "; may be given several times" if leaf.many else ""
    return escape(leaf.help + again + choices) + _default(leaf)


def _default(leaf: Leaf) -> str:
    if leaf.required:
        return " [red]\\[required][/red]"
    if leaf.default in (None, "", ()):
        return ""
    if isinstance(leaf.default, tuple):
        shown = ", ".join(str(value) for value in leaf.default)
    else:
        shown = ("on" if leaf.default else "off") if leaf.switch else str(leaf.default)
    return f" [dim]\\[{escape(shown)}][/dim]"


def _completion(leaf: Leaf) -> suggestions.Completer | None:
    choices = [str(choice) for choice in leaf.choices]
    names = suggestions.BY_OPTION.get(leaf.dotted, (lambda _: choices) if choices else None)
    return None if names is None else suggestions.completer(names)


def _own_parameters(has_short_page: bool) -> list[Parameter]:
    files = typer.Option(
        "--config",
        metavar="FILE.yaml",
        help="read options from a YAML file; may be given several times, the last file wins",
    )
    shown = typer.Option(
        "--print-config", metavar="", help="print all options as YAML, a valid file for --config, and stop"
    )
    return [
        _keyword("config", Annotated[list[Path], files], []),
        _keyword("print_config", Annotated[bool, shown], False),
        *([_keyword("help_all", HelpAll, False)] if has_short_page else []),
    ]


def _keyword(name: str, annotation: object, default: object) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
