"""What SSUL and DFT share: the network stays, new rows learn."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from saticl.config import TrainConfig
from saticl.engine import fit
from saticl.methods import load
from saticl.methods.base import Method
from saticl.methods.criterion import build_criterion
from saticl.methods.dft import DFT
from saticl.methods.frozen import number_of_heads
from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import CEOptions, KDOptions, ModelOptions, OptimizerOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch
from tests.steps import ignore, make_step
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c"), Protocol("toy", (("a", "b"), ("c",), ()), places=((), (), ("x",))), 1)
DECAYING = OptimizerOptions(target="sgd", lr=0.5, momentum=0.9, weight_decay=0.1)


def build(name: str, task: Task = TASK) -> Method:
    own = getattr(TrainConfig(), name, None)
    return load(name)(task, build_criterion(CEOptions()), KDOptions(), own)


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def trained(method: Method, folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of a real network, with batch norm, as the step began and as it ended."""
    torch.manual_seed(0)
    before = method.task.at(method.task.step - 1)
    student = Segmenter(ModelOptions(encoder="test_resnet"), 3, before.head_sizes, 64)
    type(method).rebuild(student, before)
    teacher = Teacher(student)
    student.grow(method.task.num_new)
    start = weights(student)
    fit.fit(make_step(folder, method, student=student, teacher=teacher, optimizer=DECAYING), ignore)
    return start, weights(student)


@pytest.mark.parametrize("name", ["dft", "ssul"])
def test_a_step_moves_new_rows_only(name: str, tmp_path: Path) -> None:
    start, end = trained(build(name), tmp_path)

    stays = [key for key in start if key.startswith("body.")]
    assert any("running_mean" in key for key in stays)
    assert all(torch.equal(end[key], start[key]) for key in stays)
    for key in ("classifier.heads.0.weight", "classifier.heads.0.bias"):
        assert torch.equal(end[key][1:], start[key][1:])
        assert torch.equal(end[key][0], start[key][0]) == (name == "dft")
    assert not torch.equal(end["classifier.heads.1.weight"], start["classifier.heads.1.weight"])


@pytest.mark.parametrize("name", ["dft", "ssul"])
@pytest.mark.parametrize("step", [0, 2])
def test_step_0_and_a_step_of_new_places_train_everything(name: str, step: int) -> None:
    method = build(name, TASK.at(step))

    (phase,) = method.phases()

    assert phase.rates == {}
    assert list(method.resting(ToySegmenter((3,)))) == []


def test_the_newest_head_is_the_last_of_those_that_steps_have_made() -> None:
    protocol = Protocol("gaps", (("a",), (), ("b",)), places=((), ("x",), ("y",)))

    assert [number_of_heads(Task(("a", "b"), protocol, step)) for step in range(3)] == [1, 1, 2]
    assert "student.classifier.heads.1." in build("dft", Task(("a", "b"), protocol, 2)).phases()[0].rates


def test_new_rows_learn_the_same_whichever_old_class_a_label_names() -> None:
    torch.manual_seed(0)
    method = DFT(TASK, build_criterion(CEOptions()), KDOptions())
    image, hidden = torch.randn(2, 3, 8, 8), torch.randint(4, (2, 8, 8))
    shown = hidden.where(hidden >= TASK.num_old, 0)
    gradients = []
    for target in (hidden, shown):
        torch.manual_seed(1)
        student = ToySegmenter((3, 1))
        method.terms(Batch(image, target), student, None, torch.Generator())["ce"].backward()
        gradients.append([student.heads[index].weight.grad.clone() for index in (1, 0)])

    torch.testing.assert_close(gradients[0][0], gradients[1][0])
    assert not torch.allclose(gradients[0][1], gradients[1][1])
