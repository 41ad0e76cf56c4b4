"""What a watch hears, and when a state is due."""

import signal
from collections.abc import Callable, Iterator
from threading import Thread

import pytest
import torch
from torch import Tensor

from saticl.engine import watch
from saticl.engine.watch import EVERY, Watch

LONG = 1e6
"""Minutes."""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[list[object]]:
    """Signals do nothing of their own, and do so again afterwards."""
    before = [signal.signal(number, noted) for number in watch.SIGNALS]
    yield before
    for number, handler in zip(watch.SIGNALS, before, strict=True):
        signal.signal(number, handler)


def noted(number: int, frame: object) -> None:
    """A handler that can be recognised."""


@pytest.mark.parametrize("number", watch.SIGNALS)
def test_a_signal_is_noted_and_answered(number: int) -> None:
    with Watch(LONG) as ours:
        assert not ours.is_due()
        signal.raise_signal(number)
        assert not ours.must_end

        assert ours.is_due()
        assert ours.must_end


def test_a_second_ctrl_c_does_not_wait() -> None:
    with Watch(LONG):
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_scheduler_may_say_it_twice() -> None:
    with Watch(LONG) as ours:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

        assert ours.is_due()


def test_signals_do_afterwards_what_they_did_before() -> None:
    with Watch(LONG) as ours:
        pass

    assert [signal.getsignal(number) for number in watch.SIGNALS] == [noted, noted]
    signal.raise_signal(signal.SIGTERM)
    assert not ours.is_due()


def test_a_thread_of_its_own_hears_nothing_and_looks_at_the_clock() -> None:
    due: list[bool] = []

    def work() -> None:
        with Watch(0) as ours:
            due.append(ours.is_due())

    thread = Thread(target=work)
    thread.start()
    thread.join()

    assert due == [True]


def test_a_state_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 219.0, 221.0, 300.0, 300.0, 419.0, 421.0])
    monkeypatch.setattr("saticl.engine.watch.time.monotonic", lambda: next(times))
    ours = Watch(minutes=2)

    first = [ours.is_due() for _ in range(3)]
    ours.saved()
    second = [ours.is_due() for _ in range(2)]

    assert first == [False, True, True]
    assert second == [False, True]
    assert not ours.must_end


def others(heard: float, old: float) -> Callable[[Tensor], Tensor]:
    """The sum with what another process says."""
    return lambda votes: votes + torch.tensor([heard, old])


@pytest.mark.parametrize(
    ("say", "due", "end"), [(others(1, 0), True, True), (others(0, 1), True, False), (others(0, 0), False, False)]
)
def test_what_one_process_hears_counts_for_all(say: Callable[[Tensor], Tensor], due: bool, end: bool) -> None:
    ours = Watch(LONG, say)

    assert (ours.answer(), ours.must_end) == (due, end)


def test_several_processes_discuss_some_questions_only() -> None:
    discussed: list[Tensor] = []

    def listen(votes: Tensor) -> Tensor:
        discussed.append(votes)
        return votes

    ours = Watch(0, listen)

    assert [ours.is_due() for _ in range(2 * EVERY)] == ([False] * (EVERY - 1) + [True]) * 2
    assert len(discussed) == 2
