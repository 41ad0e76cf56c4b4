"""A step that a signal ends between any two iterations goes on to the weights it would have had."""

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from saticl.engine import fit, resume
from saticl.engine.state import Begun
from saticl.errors import Paused
from saticl.methods.base import Method, Network
from saticl.methods.phases import Phase
from saticl.options import OptimizerOptions, SchedulerOptions, TrainerOptions
from saticl.types import Batch, Terms
from tests.steps import TASK, Batches, ignore, make_method, make_step

ITERATIONS, EPOCHS = 4, 2


class Draws(Method):
    """Drops out, turns at random, has a term now and then, and trains twice."""

    def phases(self) -> Sequence[Phase]:
        return (Phase(max_epochs=EPOCHS), Phase(max_epochs=EPOCHS))

    def terms(self, batch: Batch, student: Network, teacher: Network | None, generator: torch.Generator) -> Terms:
        image = nn.functional.dropout(batch.image, 0.3)
        turned = image.flip(-1) if torch.rand((), generator=generator) < 0.5 else image
        terms = {"ce": self.criterion(student(turned).logits, batch.target)}
        if torch.rand((), generator=generator) < 0.5:
            terms["now and then"] = 0.1 * student(batch.image).logits.square().mean()
        return terms


class Signalled(Batches):
    """Sends SIGTERM while some batch is loaded, counted over all epochs."""

    def __init__(self, at: int | None, fetched: list[tuple[int, int]]) -> None:
        super().__init__(ITERATIONS, TASK)
        self._at, self._fetched, self._first = at, fetched, 0

    def go_to(self, epoch: int, first: int = 0) -> None:
        super().go_to(epoch, first)
        self._first = first

    def __iter__(self) -> Iterator[Batch]:
        for number, batch in enumerate(super().__iter__()):
            if number >= self._first:
                if len(self._fetched) == self._at:
                    signal.raise_signal(signal.SIGTERM)
                self._fetched.append((self._epoch, number))
                yield batch


def train(folder: Path, at: int | None = None, **changes: Any) -> tuple[list[tuple[int, int]], dict[str, Tensor]]:
    """The batches that were loaded, and the weights at the end; a signal comes with the batch `at`."""
    options = {"channels_last": False, "max_epochs": EPOCHS, "resume": True, **changes}
    fetched: list[tuple[int, int]] = []
    step = make_step(
        folder,
        make_method(Draws),
        options=TrainerOptions.model_validate(options),
        optimizer=OptimizerOptions(lr=0.01),
        scheduler=SchedulerOptions(target="cosine", warmup=0.2),
        training=Signalled(at, fetched),
    )
    try:
        fit.fit(step, ignore)
    finally:
        weights = {name: value.clone() for name, value in step.student.state_dict().items()}
    return fetched, weights


def journal(folder: Path) -> list[tuple[Any, ...]]:
    step = make_step(folder, make_method(Draws))
    return [(line["epoch"], line["loss"], line["lr"], line["terms"]) for line in step.journal.read()]


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("at", [1, 4, 5, 6, 8, 11, 14])
def test_wherever_it_was_ended_the_weights_are_the_same(tmp_path: Path, at: int, accumulate: int) -> None:
    """Within an epoch, at its end, and in the second phase."""
    loaded, whole = train(tmp_path / "whole", accumulate=accumulate)

    with pytest.raises(Paused, match=r"^Interrupted after iteration \d+, which is saved\. .*--trainer\.resume"):
        train(tmp_path / "ended", at, accumulate=accumulate)
    rest, resumed = train(tmp_path / "ended", accumulate=accumulate)

    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)
    assert rest == loaded[len(loaded) - len(rest) :]
    assert len(rest) <= len(loaded) - at - 1
    for ours, theirs in zip(journal(tmp_path / "ended"), journal(tmp_path / "whole"), strict=True):
        assert ours[0] == theirs[0]
        assert ours[1:3] == pytest.approx(theirs[1:3], rel=1e-12)
        assert ours[3] == pytest.approx(theirs[3], rel=1e-12)


def test_a_training_may_be_ended_again_and_again(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")[1]

    for _ in range(2 * EPOCHS * ITERATIONS - 1):
        with pytest.raises(Paused):
            train(tmp_path / "ended", at=0)
    resumed = train(tmp_path / "ended")[1]

    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)


def test_an_old_state_is_saved_amid_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a signal nothing ends; what is killed then has lost no more than the last minutes."""
    saved: list[Begun] = []
    save = resume.save_progress
    monkeypatch.setattr(
        resume, "save_progress", lambda episode, progress: saved.append(progress.begun) or save(episode, progress)
    )

    train(tmp_path, save_minutes=1e-9)

    per_epoch = [begun.iterations for begun in saved]
    assert per_epoch == [1, 2, 3, 4] * EPOCHS * 2
    assert all(begun.counts["ce"] == begun.iterations for begun in saved)


def test_a_fresh_state_is_not_saved_amid_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[object] = []
    monkeypatch.setattr(resume, "save_progress", lambda *arguments: saved.append(arguments))

    train(tmp_path)

    assert saved == []
