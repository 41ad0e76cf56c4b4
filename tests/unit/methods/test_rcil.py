import contextlib
import copy
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from saticl.engine import fit
from saticl.engine.checkpoint import load_tensors
from saticl.errors import InvalidOptions
from saticl.losses import channel_distance, fold_new, pooled_distance, unbiased_distillation
from saticl.methods.criterion import build_criterion
from saticl.methods.options import RCILOptions
from saticl.methods.rcil import RCIL
from saticl.models.branches import branches_of
from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import CEOptions, KDOptions, ModelOptions, TrainerOptions
from saticl.runs.journal import Epoch
from saticl.tasks import Protocol, Task
from saticl.types import Batch, Output
from tests.steps import Batches, ignore, make_step
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c"), Protocol("toy", (("a", "b"), ("c",))), 1)
PLACES = Task(("a", "b"), Protocol("toy", (("a", "b"), ()), places=(("x",), ("y",))), 1)


def method(task: Task = TASK) -> RCIL:
    options = RCILOptions(features_factor=0.7, last_factor=0.3)
    return RCIL(task, build_criterion(CEOptions()), KDOptions(decoder_factor=2.0), options)


def networks(task: Task = TASK) -> tuple[ToySegmenter, Teacher | None]:
    torch.manual_seed(0)
    student = ToySegmenter(task.head_sizes[:1], residual=True)
    if task.step == 0:
        return student, None
    teacher = Teacher(student)  # type: ignore[arg-type]
    student.grow(task.num_new)
    return student, teacher


def output(num_classes: int, seed: int) -> Output:
    torch.manual_seed(seed)
    stages = tuple(torch.randn(2, 3, side, side) for side in (16, 8, 8, 4, 4))
    coarse = torch.randn(2, num_classes, 8, 8)
    return Output(torch.randn(2, num_classes, 16, 16), stages, torch.randn(2, 5, 8, 8), coarse)


def test_scores_and_pooled_cubes_stay_with_their_weights() -> None:
    new, old, target = output(4, 0), output(3, 1), torch.zeros(2, 16, 16)

    terms = method().distillation(new, old, target)

    pairs = [*zip(old.stages[1:], new.stages[1:], strict=True), (old.pixels, new.pixels)]
    space = sum(0.7 * pooled_distance(*pair) for pair in pairs)
    space += 0.3 * pooled_distance(old.coarse, fold_new(new.coarse, 3))
    channels = sum(0.7 * channel_distance(*pair) for pair in pairs[:-1]) + 0.3 * channel_distance(*pairs[-1])
    assert_close(terms["cubes"], math.sqrt(4) * (space / 6 + channels / 5))
    assert_close(terms["kd"], 2 * unbiased_distillation(new.logits, old.logits))
    assert set(terms) == {"kd", "cubes"}


def test_without_new_classes_the_features_stay_as_they_are() -> None:
    new, old = output(3, 0), output(3, 1)

    assert_close(method(PLACES).cubes(new, old), method().cubes(new, old) / math.sqrt(4))


def test_at_the_first_step_both_branches_learn_from_different_weights() -> None:
    (student, _), whole = networks(TASK.at(0)), method(TASK.at(0))

    whole.grow(student, None, [])

    (two,) = branches_of(student)
    assert all(parameter.requires_grad for parameter in student.parameters())
    assert not torch.equal(two.conv.weight, two.other_conv.weight)
    assert list(whole.resting(student)) == []


def test_later_one_branch_rests_and_its_copy_learns() -> None:
    (student, teacher), whole = networks(), method()
    assert teacher is not None
    image = torch.randn(2, 3, 8, 8)

    whole.grow(student, teacher, [])

    (two,) = branches_of(student)
    frozen = {name for name, parameter in student.named_parameters() if not parameter.requires_grad}
    assert frozen == {f"body.encoder.1.conv1.{name}" for name in ("conv.weight", "norm.weight", "norm.bias")}
    assert list(whole.resting(student)) == [two.norm]
    assert_close(student.eval()(image).pixels, teacher(image).pixels)


@pytest.mark.parametrize("kind", ["places", "frozen"])
def test_nothing_is_doubled_where_nothing_is_to_be_compensated(kind: str) -> None:
    task = PLACES if kind == "places" else TASK
    (student, teacher), whole = networks(task), method(task)
    if kind == "frozen":
        student.body.encoder.requires_grad_(False)
    before = copy.deepcopy(student.state_dict())

    whole.grow(student, teacher, [])
    whole.consolidate(student, teacher, [])

    assert_close(student.state_dict(), before, rtol=0, atol=0)
    assert list(whole.resting(student)) == []


@pytest.mark.parametrize("step", [0, 1])
def test_a_step_trains_two_branches_and_leaves_a_plain_network_that_computes_the_same(
    tmp_path: Path, step: int
) -> None:
    task = TASK.at(step)
    (student, teacher), whole = networks(task), method(task)
    plain, image = copy.deepcopy(student), torch.randn(2, 3, 8, 8)
    made = make_step(tmp_path, whole, student=student, teacher=teacher, training=Batches(3, task))

    fit.fit(made, ignore)

    best = load_tensors(made.best(0))
    doubled = copy.deepcopy(plain)
    again = method(task)
    again.grow(doubled, teacher, [])
    doubled.load_state_dict({name.removeprefix("student."): x for name, x in best.items() if "student" in name})
    assert student.state_dict().keys() == plain.state_dict().keys()
    with torch.no_grad():
        assert_close(student.eval()(image).logits, doubled.eval()(image).logits, rtol=1e-4, atol=1e-5)
    (two,) = branches_of(doubled)
    before = plain.body.encoder[1].state_dict()
    resting = {name: torch.equal(best[f"student.body.encoder.1.conv1.{name}"], value) for name, value in {
        "conv.weight": before["conv1.weight"], "norm.running_mean": before["bn1.running_mean"],
        "norm.weight": before["bn1.weight"],
    }.items()}  # fmt: skip
    assert set(resting.values()) == {step > 0}
    assert not torch.equal(two.other_conv.weight, before["conv1.weight"])
    assert not torch.equal(two.other_norm.running_mean, before["bn1.running_mean"])


def test_the_merged_norm_has_the_statistics_of_the_training_tiles() -> None:
    (student, teacher), whole = networks(), method()
    whole.grow(student, teacher, [])
    seen = [Batch(torch.randn(2, 3, 8, 8), torch.zeros(2, 8, 8)) for _ in range(2)]

    whole.consolidate(student, teacher, seen)

    block = student.eval().body.encoder
    with torch.no_grad():
        inputs = torch.cat([block[1].conv1(block[0](batch.image)) for batch in seen])
    assert_close(block[1].bn1.running_mean, inputs.mean((0, 2, 3)))
    assert_close(block[1].bn1.running_var, inputs.var((0, 2, 3), correction=0), rtol=1e-4, atol=1e-5)


def test_encoders_without_residual_blocks_are_refused() -> None:
    RCIL.require(ToySegmenter((3,), residual=True))
    RCIL.require(Segmenter(ModelOptions(encoder="test_resnet"), 3, (2,), 32))

    for network in (ToySegmenter((3,)), Segmenter(ModelOptions(encoder="test_convnext"), 3, (2,), 32)):
        with pytest.raises(InvalidOptions, match=r"--method rcil doubles .* choose another --model.encoder"):
            RCIL.require(network)


def test_a_doubled_network_can_be_copied_with_its_frozen_parts() -> None:
    (student, teacher), whole = networks(), method()
    whole.grow(student, teacher, [])

    again = copy.deepcopy(student)

    assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in student.parameters()]
    assert isinstance(again.body.encoder[1].bn1, nn.Identity)


def test_a_step_that_is_killed_ends_with_the_same_weights(tmp_path: Path) -> None:
    def kill(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    ends = []
    for name in ("whole", "killed"):
        options = TrainerOptions(channels_last=False, max_epochs=2, resume=True)
        for report in (ignore,) if name == "whole" else (kill, ignore):
            student, teacher = networks()
            parts = {"student": student, "teacher": teacher, "training": Batches(3, TASK), "options": options}
            with pytest.raises(KeyboardInterrupt) if report is kill else contextlib.nullcontext():
                fit.fit(make_step(tmp_path / name, method(), **parts), report)
        ends.append(student.state_dict())

    assert_close(ends[1], ends[0], rtol=0, atol=0)
