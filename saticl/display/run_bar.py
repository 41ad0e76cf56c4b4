"""The progress of a comparison: how many runs are done, and how long the others will take."""

from time import monotonic
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from saticl.display.console import console


class RunBar:
    """A line for every run that ends, and on a terminal a bar below them."""

    def __init__(self, total: int, done: int = 0) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("runs", total=total, completed=done, left="")
        self._total, self._before, self._done, self._start = total, done, done, monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def ended(self, line: str) -> None:
        """One more run has ended; the line says which, and how."""
        self._done += 1
        left = self._total - self._done
        pace = (monotonic() - self._start) / (self._done - self._before)
        time = f", about {duration(left * pace)} left" if left else ""
        self._progress.update(self._task, completed=self._done, left=time.removeprefix(", "))
        console.print(f"[{self._done}/{self._total}] {line}{time}", highlight=False, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds in the unit that people would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
