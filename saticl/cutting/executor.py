"""Scenes cut one after another, or several at a time in spawned processes, with progress.

A scene that cannot be used does not stop the others: what could be cut is kept, and the error names all that failed.
"""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.queues import SimpleQueue

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from saticl.cutting.scene import OnRows, Recipe, cut_scene
from saticl.cutting.worker import News, cut_in_worker, start_worker
from saticl.datasets.base import Scene
from saticl.display.console import console
from saticl.errors import InvalidRaster, SaticlError

POLL_S = 0.1
"""Seconds between looks at what the processes report."""


def cut_scenes(scenes: list[Scene], recipe: Recipe, jobs: int) -> None:
    """Cut scenes with so many processes; raises InvalidRaster naming the scenes that failed, after all others."""
    if not scenes:
        return
    with _progress(len(scenes)) as report:
        failed = _cut_here(scenes, recipe, report) if jobs == 1 else _cut_in_pool(scenes, recipe, jobs, report)
    if failed:
        first, *others = failed.values()
        more = f" ({len(others)} more scenes failed: {', '.join(list(failed)[1:])})" if others else ""
        raise InvalidRaster(f"{first}{more}") from first


def _cut_here(scenes: list[Scene], recipe: Recipe, report: OnRows) -> dict[str, SaticlError]:
    failed: dict[str, SaticlError] = {}
    for scene in scenes:
        try:
            cut_scene(scene, recipe, report)
        except InvalidRaster as error:
            failed[scene.id] = error
    return failed


def _cut_in_pool(scenes: list[Scene], recipe: Recipe, jobs: int, report: OnRows) -> dict[str, SaticlError]:
    context = multiprocessing.get_context("spawn")
    news: SimpleQueue[News] = context.SimpleQueue()
    pool = ProcessPoolExecutor(min(jobs, len(scenes)), context, start_worker, (news,))
    try:
        futures = {pool.submit(cut_in_worker, scene, recipe): scene for scene in scenes}
        waiting: set[Future[None]] = set(futures)
        while waiting:
            _, waiting = wait(waiting, POLL_S)
            while not news.empty():
                report(*news.get())
        return _errors(futures)
    finally:
        pool.shutdown(cancel_futures=True)


def _errors(futures: dict[Future[None], Scene]) -> dict[str, SaticlError]:
    failed: dict[str, SaticlError] = {}
    for future, scene in futures.items():
        error = future.exception()
        if isinstance(error, BrokenProcessPool):
            raise InvalidRaster(
                f"A process ended unexpectedly while scenes such as {scene.id} were cut, perhaps for want of memory: "
                "run the same command again with fewer --jobs; it resumes."
            ) from error
        if isinstance(error, SaticlError):
            failed[scene.id] = error
        elif error is not None:
            raise error
    return failed


@contextmanager
def _progress(total: int) -> Iterator[OnRows]:
    """A bar over the scenes with tiles per second and remaining time; a line per scene where output is no terminal."""
    columns = (
        TextColumn("scenes"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[last]}", style="dim"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("scenes", total=total, rate="", last="")
        shares: dict[str, float] = {}
        tiles = 0

        def report(scene: str, new: int, share: float) -> None:
            nonlocal tiles
            tiles += new
            shares[scene] = shares.get(scene, 0.0) + share
            done = sum(part > 1 - 1e-9 for part in shares.values())
            rate = tiles / (bar.tasks[task].elapsed or 1)
            bar.update(task, completed=done, rate=f"{tiles} tiles, {rate:.0f}/s", last=scene)
            if not console.is_terminal and shares[scene] > 1 - 1e-9:
                console.print(f"{scene} cut ({done}/{total} scenes, {tiles} tiles)")

        yield report
