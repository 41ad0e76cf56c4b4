"""What the terminal shows: progress with throughput and remaining time, or one line per epoch where there is none."""

import math
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from saticl.runs.journal import Epoch

console = Console()
"""The one console of the program; honours NO_COLOR and pipes."""


class Throughput(ProgressColumn):
    """Images per second so far."""

    def render(self, task: Task) -> Text:
        """Images seen over the seconds since the start."""
        seconds = task.finished_time or task.elapsed or 0.0
        images = task.fields.get("images", 0)
        return Text(f"{images / seconds:6.1f} img/s" if seconds > 0 else "   -- img/s")


def progress_columns() -> tuple[ProgressColumn, ...]:
    """Columns shared by all bars over images."""
    return (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        Throughput(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
    )


class EpochBar:
    """Bar over the iterations of one epoch; silent where `enabled` is off, and no bar in a pipe."""

    def __init__(self, epoch: int, iterations: int, done: int = 0, enabled: bool = True, title: str = "epoch") -> None:
        self._progress = Progress(
            *progress_columns(), console=console, transient=True, disable=not (enabled and console.is_terminal)
        )
        self._task = self._progress.add_task(f"{title} {epoch}", total=iterations, completed=done, images=0, note="")
        self._images = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, images: int) -> None:
        """Count one finished iteration with this number of images."""
        self._images += images
        self._progress.update(self._task, advance=1, images=self._images)

    def show(self, values: dict[str, float]) -> None:
        """Show numbers behind the bar."""
        self._progress.update(self._task, note="  ".join(f"{name} {value:.3f}" for name, value in values.items()))


def epoch_line(epoch: Epoch) -> str:
    """One epoch in one line: loss, scores where there was a validation, speed."""
    parts = [f"epoch {epoch.epoch}", f"loss {epoch.loss:.3f}"]
    scores = epoch.validation
    if scores is not None:
        parts.append(f"val mIoU {100 * scores.miou:.1f}")
        known = [("old", scores.old_miou), ("new", scores.new_miou)]
        if not math.isnan(scores.old_miou):
            means = (f"{name} {100 * value:.1f}" for name, value in known if not math.isnan(value))
            parts.append(f"({', '.join(means)})")
        if scores.best:
            parts.append("best")
    parts.append(f"{epoch.costs.images_per_s:.1f} img/s")
    return "  ".join(parts)
