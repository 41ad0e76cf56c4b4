"""Help pages: all options in panels, or, where there are many, the main ones on a page that is read in a minute."""

from copy import copy
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from saticl.flags.leaves import Tree

WHOLE = "saticl.whole"
"""Where a context remembers that all options were asked for."""

BEHIND = "saticl.behind"
"""Where a context keeps the words behind `--`, which are options of another command."""


class Page(TyperCommand):
    """A command that says of --help what it does."""

    def get_help_option(self, ctx: Any) -> TyperOption | None:
        """See TyperCommand."""
        return _explained(super().get_help_option(ctx))


class HandingPage(Page):
    """A command that keeps the words behind `--` for another one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See TyperCommand; a second `--` belongs to the words behind the first."""
        place = args.index("--") if "--" in args else len(args)
        ctx.meta[BEHIND] = tuple(args[place + 1 :])
        return super().parse_args(ctx, args[:place])


class GroupPage(TyperGroup):
    """The same for a group of commands."""

    def get_help_option(self, ctx: Any) -> TyperOption | None:
        """See TyperGroup."""
        return _explained(super().get_help_option(ctx))


def page(known: Tree, main: tuple[str, ...]) -> type[Page]:
    """A command whose --help shows the main options only, unless there are none: then all are."""
    kind = HandingPage if getattr(known.model, "hands_on", False) else Page
    if not main:
        return kind

    class ShortPage(kind):  # type: ignore[misc, valid-type]
        """A command with two help pages."""

        def format_help(self, ctx: Any, formatter: Any) -> None:
            """See TyperCommand; options stay as they are, so that the shell completes all of them."""
            if ctx.meta.get(WHOLE):
                super().format_help(ctx, formatter)
                return
            short = copy(self)
            short.params = [_brief(param, shown) for param in self.params]
            short.epilog = _elsewhere(known)
            super(ShortPage, short).format_help(ctx, formatter)

    shown = {known.named(name).identifier for name in main} | {"config", "print_config", "help_all"}
    return ShortPage


def _show_whole(ctx: typer.Context, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        ctx.meta[WHOLE] = True
        typer.echo(ctx.get_help())
        raise typer.Exit


HelpAll = Annotated[
    bool,
    typer.Option("--help-all", is_eager=True, callback=_show_whole, metavar="", help="show all options and stop"),
]
"""The flag of the long page."""


def _brief(param: Any, shown: set[str]) -> Any:
    """The option as the short page has it: all in one panel."""
    brief = copy(param)
    brief.hidden = param.name not in shown
    brief.rich_help_panel = None
    return brief


def _elsewhere(known: Tree) -> str:
    """Where the other options are."""
    sections = dict.fromkeys(path[0] for path in known.leaves if len(path) > 1)
    return (
        f"--help-all shows all {len(known.leaves)} options, also those of the sections {', '.join(sections)}, and how "
        "to set them in a file or in the environment."
    )


def _explained(option: TyperOption | None) -> TyperOption | None:
    if option is not None:
        option.metavar, option.help = "", "show this page and stop"
    return option
