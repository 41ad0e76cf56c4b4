"""Blocks cut by any `concurrent.futures` executor: this process, a pool of processes, or that of a cluster.

A scene that cannot be used does not stop the others: what could be cut is kept, and the error names all that failed.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from saticl.cutting.blocks import Block
from saticl.cutting.recipe import Recipe
from saticl.cutting.survey import Failures
from saticl.cutting.unit import cut_block, forget_block
from saticl.errors import InvalidRaster, SaticlError
from saticl.files import write_atomically

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")

FAILED = "failed.txt"
"""Why each scene of many failed, in the folder that is being prepared."""

NAMED = 3
"""Failed scenes whose names fit into a message."""

OnBlock = Callable[[str, int], None]
"""Told after each finished block: the scene, and how many tiles were written."""


class InProcess(Executor):
    """Does the work at once, in this process."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The finished future of a call."""
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - a future carries whatever was raised
            future.set_exception(error)
        return future


@contextmanager
def local_executor(jobs: int, blocks: int) -> Iterator[Executor]:
    """This process for a single job or a single block, else a pool of spawned processes; what waits is given up."""
    processes = min(jobs, blocks)
    context = multiprocessing.get_context("spawn")
    executor = InProcess() if processes < 2 else ProcessPoolExecutor(processes, context, _leave_interrupts)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C reaches all processes of a terminal; the one that started the others ends them, without tracebacks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def completed(
    executor: Executor,
    function: Callable[Concatenate[Item, P], T],
    items: Iterable[Item],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Iterator[tuple[Item, T]]:
    """The result for every item, as soon as it is there, in whatever order the executor likes.

    Raises InvalidRaster where a process was killed.
    """
    waiting: dict[Future[T], Item] = {}
    try:
        for item in items:
            future = executor.submit(function, item, *args, **kwargs)
            if future.done():  # at once where the executor is this process
                yield item, future.result()
            else:
                waiting[future] = item
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    except BrokenExecutor as error:
        raise InvalidRaster(
            "A process ended unexpectedly while it read scenes. Perhaps the memory was full: run the same command "
            "again with fewer --jobs."
        ) from error


def cut_blocks(blocks: Sequence[Block], recipe: Recipe, executor: Executor, report: OnBlock) -> Failures:
    """Cut all blocks, in whatever order the executor likes; returns why scenes failed.

    Nothing is left of a failed scene that was cut in this call from files that turned out to be damaged; blocks
    before a full disk are kept.
    """
    work = _Work(recipe, report)
    waiting: dict[Future[None], Block] = {}
    try:
        for block in blocks:
            if block.scene.id not in work.failed:
                future = executor.submit(cut_block, block, recipe)
                if future.done():  # at once where the executor is this process
                    work.settle(future, block)
                else:
                    waiting[future] = block
        for future in as_completed(waiting):
            known = len(work.failed)
            work.settle(future, waiting[future])
            if len(work.failed) > known:
                _cancel(waiting, waiting[future].scene.id)
    except BrokenExecutor as error:
        names = ", ".join(sorted({block.scene.id for block in blocks} - work.failed.keys())[:3])
        raise InvalidRaster(
            f"A process ended unexpectedly while it cut scenes (for example {names}). Perhaps the memory was full: "
            "run the same command again with fewer --jobs. What is finished is kept."
        ) from error
    work.forget_damaged()
    return work.failed


def raise_failures(failed: Failures, root: Path) -> None:
    """Raise the first failure, if there is one, with the number of the others and the names of a few.

    Where others are left unnamed, why each scene failed is written to a file in the folder `root`.
    """
    (root / FAILED).unlink(missing_ok=True)
    if failed:
        first, *others = failed.values()
        names = list(failed)[1:]
        more = ""
        if len(names) > NAMED:
            write_atomically(root / FAILED, "".join(f"{scene}: {error}\n" for scene, error in failed.items()))
            more = f" ({len(others)} more scenes failed, for example {', '.join(names[:NAMED])}: see {root / FAILED})"
        elif names:
            more = f" ({len(others)} more {'scene' if len(others) == 1 else 'scenes'} failed: {', '.join(names)})"
        raise type(first)(f"{first}{more}") from first


class _Work:
    """What came out so far."""

    def __init__(self, recipe: Recipe, report: OnBlock) -> None:
        self.failed: Failures = {}
        self._recipe, self._report = recipe, report
        self._cut: list[Block] = []

    def settle(self, future: Future[None], block: Block) -> None:
        try:
            future.result()
        except CancelledError:
            return
        except SaticlError as error:
            self.failed.setdefault(block.scene.id, error)
        else:
            self._cut.append(block)
            self._report(block.scene.id, block.tiles)

    def forget_damaged(self) -> None:
        for block in self._cut:
            if isinstance(self.failed.get(block.scene.id), InvalidRaster):
                forget_block(block, self._recipe)


def _cancel(waiting: dict[Future[None], Block], scene: str) -> None:
    for future, block in waiting.items():
        if block.scene.id == scene:
            future.cancel()
