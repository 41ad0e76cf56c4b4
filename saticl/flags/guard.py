"""What every command does around its work: a mistake of the user becomes a sentence, an interrupt a hint."""

import os
import time
import traceback
from collections.abc import Callable
from functools import wraps

import typer
from rich.console import Console
from rich.text import Text

from saticl.errors import Paused, SaticlError

Callback = Callable[..., None]

AFTER = {
    "prepare": "The same command continues where it stopped.",
    "compare": "The same command continues: finished runs are kept.",
    "train": "The same command with --trainer.resume continues from the last state that was saved.",
}
"""What an interrupted user can do."""

GRACE_S = 1.0
"""Seconds that silent processes wait: when one ends, a launcher stops all others, also the one that prints."""


def guarded(function: Callback) -> Callback:
    """The command, with mistakes printed as a sentence: its exit code, and a traceback only with --debug."""

    @wraps(function)
    def wrapper(ctx: typer.Context, **values: object) -> None:
        try:
            function(ctx, **values)
        except Paused as pause:
            tell(str(pause), label="")
            raise typer.Exit(pause.exit_code) from None
        except SaticlError as error:
            if ctx.find_root().params["debug"]:
                traceback.print_exception(error)
            tell(str(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            tell(f"Interrupted. {AFTER.get(ctx.info_name or '', '')}".rstrip(), label="")
            raise typer.Exit(130) from None

    return wrapper


def is_first_process() -> bool:
    """Whether this process prints: under a launcher every process runs this, and one message is enough."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def tell(message: str, label: str = "Error: ") -> None:
    """Print a sentence once, whatever the number of processes."""
    if is_first_process():
        Console(stderr=True, soft_wrap=True).print(Text(label, style="bold red") + Text(message))
    else:
        time.sleep(GRACE_S)
