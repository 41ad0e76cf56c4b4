"""Work on a Dask cluster, through the same interface as a pool of processes."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from saticl.errors import InvalidOptions

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_S = 20
"""How long a scheduler is waited for."""


@contextmanager
def cluster_executor(address: str) -> Iterator[Executor]:
    """The workers of the scheduler at an address; they need this program and the same folders.

    Raises:
        InvalidOptions: the package is missing, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InvalidOptions(
            "--cluster needs the package distributed: pip install distributed, here and on all workers."
        ) from error
    try:
        client = Client(address, timeout=CONNECT_S)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise InvalidOptions(
            f"No Dask scheduler answers at {address}: start one with `dask scheduler`, or correct --cluster."
        ) from error
    with client:
        yield There(client.get_executor())  # type: ignore[no-untyped-call]


class There(Executor):
    """The workers, each in the folder that this process is in; work of a worker that dies is done by another."""

    def __init__(self, workers: Executor) -> None:
        self._workers, self._folder = workers, Path.cwd()

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The future of a call; BrokenExecutor where it has killed several workers."""
        ours: Future[T] = Future()

        def hand_on(theirs: Future[T]) -> None:
            if not ours.set_running_or_notify_cancel():
                return
            error = theirs.exception()
            if error is None:
                ours.set_result(theirs.result())
            else:
                ours.set_exception(BrokenExecutor(str(error)) if type(error).__name__ == "KilledWorker" else error)

        call = partial(call_in, self._folder, function, *args, **kwargs)
        self._workers.submit(call).add_done_callback(hand_on)
        return ours


def call_in(folder: Path, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The call, by a worker: relative paths are seen from the folder of the one who asks."""
    os.chdir(folder)
    return function(*args, **kwargs)
