import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from saticl.engine import fit
from saticl.engine.checkpoint import load_tensors
from saticl.methods.criterion import build_criterion
from saticl.methods.ewf import EWF
from saticl.methods.options import EWFOptions
from saticl.models.teacher import Teacher
from saticl.options import CEOptions, KDOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch
from tests.steps import ignore, make_step
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c"), Protocol("toy", (("a", "b"), ("c",))), 1)
PLACES = Task(("a", "b"), Protocol("toy", (("a", "b"), ()), places=(("x",), ("y",))), 1)


def method(task: Task = TASK, **options: object) -> EWF:
    return EWF(task, build_criterion(CEOptions()), KDOptions(), EWFOptions.model_validate(options))


def networks() -> tuple[ToySegmenter, Teacher]:
    """A student with a batch norm that has moved away from its teacher."""
    torch.manual_seed(0)
    student = ToySegmenter(TASK.head_sizes[:1])
    student.body.decoder = nn.Sequential(nn.Conv2d(6, 5, 1), nn.BatchNorm2d(5))
    teacher = Teacher(student)  # type: ignore[arg-type]
    student.grow(1)
    with torch.no_grad():
        for tensor in student.state_dict().values():
            tensor.add_(torch.rand(tensor.shape) if tensor.is_floating_point() else 0)
    return student, teacher


def images() -> list[Batch]:
    torch.manual_seed(3)
    return [Batch(torch.randn(2, 3, 8, 8), torch.zeros(2, 8, 8, dtype=torch.long))]


@pytest.mark.parametrize(("given", "share"), [(None, 0.5), (0.25, 0.25), (1.0, 1.0), (0.0, 0.0)])
def test_the_step_ends_with_the_mean_of_both_endpoints(given: float | None, share: float) -> None:
    (student, teacher), whole = networks(), method(share=given, recount=False)
    new, old = copy.deepcopy(student.state_dict()), teacher.segmenter.state_dict()

    whole.consolidate(student, teacher, images())

    for name, tensor in student.state_dict().items():
        if not tensor.is_floating_point() or name.startswith("classifier.heads.1."):
            assert torch.equal(tensor, new[name])
        else:
            assert_close(tensor, share * new[name] + (1 - share) * old[name])


def test_statistics_are_those_of_what_the_fused_weights_compute() -> None:
    (student, teacher), seen = networks(), images()

    method().consolidate(student, teacher, seen)

    with torch.no_grad():
        stage = student.body.encoder(seen[0].image).relu()
        inputs = student.body.decoder[0](stage)
    assert_close(student.body.decoder[1].running_mean, inputs.mean((0, 2, 3)))
    assert_close(student.body.decoder[1].running_var, inputs.var((0, 2, 3)))


@pytest.mark.parametrize("task", [TASK.at(0), PLACES], ids=["first", "places"])
def test_without_two_endpoints_nothing_is_frozen_or_fused(task: Task) -> None:
    student, teacher = networks()
    whole, before = method(task), copy.deepcopy(student.state_dict())

    whole.grow(student, teacher, images())
    whole.consolidate(student, None if task.step == 0 else teacher, images())

    assert all(parameter.requires_grad for parameter in student.parameters())
    assert_close(student.state_dict(), before, rtol=0, atol=0)


def test_a_step_trains_all_but_old_heads_and_leaves_fused_weights(tmp_path: Path) -> None:
    student, teacher = networks()
    teacher.segmenter.load_state_dict(
        {name: tensor.clone() for name, tensor in student.state_dict().items() if "heads.1" not in name}
    )
    before = copy.deepcopy(student.state_dict())
    step = make_step(tmp_path, method(recount=False), student=student, teacher=teacher)

    fit.fit(step, ignore)

    best = load_tensors(step.best(0))
    for name, tensor in student.state_dict().items():
        trained = best[f"student.{name}"]
        if name.startswith("classifier.heads.0."):
            assert torch.equal(trained, before[name])
        elif name.endswith(".weight"):
            assert not torch.equal(trained, before[name])
        if tensor.is_floating_point() and "heads.1" not in name:
            assert_close(tensor, 0.5 * trained + 0.5 * before[name])
