"""The progress of work on scenes: a bar, or lines where output is no terminal."""

from time import monotonic
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from saticl.display.console import console

PAUSE_S = 10.0
"""Seconds between two lines of work that is only read: a file of logs is not filled with them."""


class SceneBar:
    """How much is done, how much per second, and the time that is left.

    `unit` names what is counted, `per_unit` says how many of it are one. Where there is no bar, a line is printed
    whenever `pause` seconds have passed since the last one; with 0 for every part that is done.
    """

    def __init__(self, title: str, total: int, unit: str = "tiles", per_unit: int = 1, pause: float = 0) -> None:
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
        self._task = self._progress.add_task(title, total=total, rate="", last="")
        self._title, self._total, self._done = title, total, 0
        self._unit, self._per_unit, self._pause = unit, per_unit, pause
        self._start = self._told = monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def finished(self, scene: str, number: int) -> None:
        """So much more of a scene is done."""
        now = monotonic()
        self._done += number
        speed = max(self._done, 1) / max(now - self._start, 1e-3)
        rate = f"{speed / self._per_unit:.0f} {self._unit}/s"
        self._progress.update(self._task, completed=self._done, rate=rate, last=scene)
        if not console.is_terminal and now - self._told >= self._pause:
            self._told = now
            left = (self._total - self._done) / speed
            console.print(
                f"{self._title}: {self._done // self._per_unit} of {self._total // self._per_unit} {self._unit} "
                f"({rate}, {left:.0f} s left, last {scene})",
                highlight=False,
            )
