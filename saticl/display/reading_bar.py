"""The progress of reading without writing: a bar over pixels, or now and then a line where output is no terminal."""

from time import monotonic
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from saticl.display.console import console

PAUSE_S = 10.0
"""Seconds between two lines where there is no bar: a file of logs is not filled with them."""


class ReadingBar:
    """Megapixels read so far, per second, and the time that is left."""

    def __init__(self, title: str, pixels: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[last]}", style="dim"),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task(title, total=pixels, rate="", last="")
        self._total, self._done = pixels, 0
        self._start = self._told = monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def finished(self, scene: str, pixels: int) -> None:
        """This many more pixels of a scene were read."""
        now = monotonic()
        self._done += pixels
        rate = f"{self._done / 1e6 / max(now - self._start, 1e-3):.0f} Mpx/s"
        self._progress.update(self._task, completed=self._done, rate=rate, last=scene)
        if not console.is_terminal and now - self._told >= PAUSE_S:
            self._told = now
            console.print(
                f"{100 * self._done / max(self._total, 1):.0f} % read ({rate}, last {scene})", highlight=False
            )
