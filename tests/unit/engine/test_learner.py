"""Student and method as one module: what rests in a phase, and what several processes agree on."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from saticl.engine.learner import Learner, agree_on_buffers, agree_on_everything, only_trained
from saticl.methods.phases import Phase
from tests.steps import TASK, make_method
from tests.toy import ToySegmenter


def make_learner() -> Learner:
    learner = Learner(ToySegmenter(TASK.head_sizes), make_method())
    learner.student.register_buffer("seen", torch.zeros(2))
    return learner


def resting(learner: Learner) -> set[str]:
    return {name for name, parameter in learner.named_parameters() if not parameter.requires_grad}


def test_a_rate_of_zero_freezes_for_the_time_of_the_phase_and_thaws_nothing_else() -> None:
    learner = make_learner()
    heads = {"student.classifier.heads.0.weight", "student.classifier.heads.0.bias"}
    learner.get_parameter("student.classifier.heads.0.bias").requires_grad_(False)
    learner.get_parameter("student.body.decoder.bias").requires_grad_(False)

    with only_trained(learner, Phase(rates={"student.classifier.heads": 0.0, "student.body.encoder": 0.5})):
        assert resting(learner) == heads | {"student.body.decoder.bias"}

    assert resting(learner) == {"student.classifier.heads.0.bias", "student.body.decoder.bias"}


def test_what_rested_is_thawed_even_after_an_error() -> None:
    learner = make_learner()

    def interrupted() -> None:
        with only_trained(learner, Phase(rates={"": 0.0})):
            assert len(resting(learner)) == len(list(learner.parameters()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not resting(learner)


def one_more(tensor: Tensor, from_process: int) -> Tensor:
    """The first process has 1 where this one has 0."""
    assert not tensor.requires_grad
    return tensor + (1 if from_process == 0 else 100)


def processes(number: int) -> Any:
    """An accelerator of so many processes."""
    return SimpleNamespace(num_processes=number)


def test_processes_take_over_what_the_first_one_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saticl.engine.learner.broadcast", one_more)
    learner = make_learner()
    before = {name: value.clone() for name, value in learner.state_dict().items()}

    agree_on_buffers(learner, processes(2))
    assert learner.student.seen.tolist() == [1, 1]  # type: ignore[operator,union-attr]
    assert all(parameter.equal(before[name]) for name, parameter in learner.named_parameters())

    agree_on_everything(learner, processes(2))
    assert learner.student.seen.tolist() == [2, 2]  # type: ignore[operator,union-attr]
    assert all(parameter.equal(before[name] + 1) for name, parameter in learner.named_parameters())


def test_a_process_alone_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saticl.engine.learner.broadcast", one_more)
    learner = make_learner()

    agree_on_everything(learner, processes(1))

    assert learner.student.seen.tolist() == [0, 0]  # type: ignore[operator,union-attr]
