"""Files written behind the work: encoding the next tile does not wait until the disk has taken the last one."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Self

from saticl.files import write_atomically

WAITING = 6
"""Files that may wait for the disk: two tiles with their masks and heights."""


class WriteBehind:
    """Writes files in the order given, on one thread of its own; a context that ends when all are on the disk."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *others: object) -> None:
        """Wait for what is being written; after an error, or Ctrl-C while waiting, what only waits is given up."""
        try:
            if kind is None:
                self._settle(0)
        finally:
            self._give_up()

    def write(self, path: Path, content: bytes) -> None:
        """Write a file, complete or not at all, soon.

        Raises UnwritableFile, of this file or of one before it, here or at the end of the context.
        """
        self._waiting.append(self._thread.submit(write_atomically, path, content))
        self._settle(WAITING)

    def _settle(self, left: int) -> None:
        while len(self._waiting) > left:
            self._waiting[0].result()
            self._waiting.popleft()  # not before: an interrupt may come in between, and the file is still written

    def _give_up(self) -> None:
        """Nothing is written any more when this ends, so that tiles may be removed."""
        wait([future for future in self._waiting if not future.cancel()])
        self._thread.shutdown()
