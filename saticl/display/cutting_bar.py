"""The progress of `prepare`: a bar over tiles, or one line per finished block where output is no terminal."""

from time import monotonic
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from saticl.display.console import console


class CuttingBar:
    """Tiles written so far, tiles per second, and the time that is left."""

    def __init__(self, tiles: int) -> None:
        columns = (
            TextColumn("tiles"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[last]}", style="dim"),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("tiles", total=tiles, rate="", last="")
        self._total, self._done, self._start = tiles, 0, monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def finished(self, scene: str, tiles: int) -> None:
        """A block of a scene is done, which gave this many tiles."""
        self._done += tiles
        rate = self._done / max(monotonic() - self._start, 1e-3)
        self._progress.update(self._task, completed=self._done, rate=f"{rate:.0f} tiles/s", last=scene)
        if not console.is_terminal:
            left = (self._total - self._done) / rate
            console.print(f"{scene}: {self._done} of {self._total} tiles cut ({rate:.0f} tiles/s, {left:.0f} s left)")
