"""When a step that is under way leaves its state: because somebody ends it, or because the last one is old."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

import torch
from torch import Tensor

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what schedulers and containers send some time before they kill."""

EVERY = 20
"""Of so many questions several processes discuss one, because an answer makes all of them wait for the slowest."""


class Watch:
    """Hears signals and looks at the clock; the loop asks it between iterations.

    The first signal is only noted, so that the iteration can end; a second Ctrl-C interrupts at once. Outside of the
    `with` block, and in threads other than the main one, signals do what they did before.
    """

    def __init__(self, minutes: float, sum_over_processes: Callable[[Tensor], Tensor] | None = None) -> None:
        """A watch after whose `minutes` a state is old; several processes ask it as often as each other."""
        self._seconds = 60 * minutes
        self._sum_over_processes = sum_over_processes
        self._saved = time.monotonic()
        self._questions = 0
        self._before: dict[int, Any] = {}
        self._heard = False
        self.must_end = False
        """Whether a signal had come, to any process, when they last answered."""

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def is_due(self) -> bool:
        """Whether the state is to be saved between these two iterations."""
        self._questions += 1
        return (self._sum_over_processes is None or self._questions % EVERY == 0) and self.answer()

    def answer(self) -> bool:
        """Whether the state is to be saved now, after all processes were heard."""
        is_old = time.monotonic() - self._saved > self._seconds
        votes = torch.tensor([self._heard, is_old], dtype=torch.float32)
        if self._sum_over_processes is not None:
            votes = self._sum_over_processes(votes)
        self.must_end, is_late = (votes > 0).tolist()
        return self.must_end or is_late

    def saved(self) -> None:
        """A state has reached the disk."""
        self._saved = time.monotonic()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._heard and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._heard = True
