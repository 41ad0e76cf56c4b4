"""MBS: selective labels, where features stay, and rows that turn away."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import Tensor
from torch.testing import assert_close

from saticl.labels import IGNORE
from saticl.losses import label_guided_distillation, row_overlap, weighted_mse
from saticl.methods.criterion import build_criterion
from saticl.methods.mbs import MBS
from saticl.methods.options import MBSOptions
from saticl.options import CEOptions, KDOptions
from saticl.tasks import Protocol, Task
from saticl.types import Output
from tests.strategies import StepCase, step_cases
from tests.toy import ToySegmenter

CLASSES = ("a", "b", "c", "d")
TASK = Task(CLASSES, Protocol("toy", (("a", "b"), ("c", "d"))), 1)
P = torch.tensor([[0.5, 0.3, 0.2], [0.49, 0.31, 0.2], [0.05, 0.7, 0.25], [0.05, 0.69, 0.26], [0.01, 0.01, 0.98]])
"""The teacher's probabilities of five pixels: background, perhaps not, surely a, perhaps a, surely b."""


def build(task: Task = TASK, **options: float) -> MBS:
    own = MBSOptions.model_validate(options)
    return MBS(task, build_criterion(CEOptions()), KDOptions(decoder_factor=3.0), own)


def output(logits: Tensor) -> Output:
    return Output(logits, (), logits, logits)


def row_of_pixels(probabilities: Tensor) -> Tensor:
    """[N, K] to the logits of an image of one row [1, K, 1, N]."""
    return probabilities.log().T[None, :, None]


def test_background_is_labelled_ignored_or_kept() -> None:
    assert build().labels(row_of_pixels(P), torch.zeros(1, 1, 5, dtype=torch.long)).tolist() == [
        [[0, IGNORE, 1, IGNORE, 2]]
    ]


def test_on_the_border_background_stays_and_a_class_is_sure_enough() -> None:
    old_logits = torch.tensor([[0.0, 0.0, -1000.0], [-1000.0, 0.0, 0.0]]).T[None, :, None]

    assert build(confidence=0.5).labels(old_logits, torch.zeros(1, 1, 2, dtype=torch.long)).tolist() == [[[0, 1]]]


def test_labels_of_this_step_stay_whatever_the_teacher_says() -> None:
    target = torch.tensor([[[3, 4, IGNORE, 2, 1]]])

    assert_close(build().labels(row_of_pixels(P), target), target)


@given(step_cases(num_old=3))
def test_labels_are_those_of_the_rule_pixel_by_pixel(case: StepCase) -> None:
    classes = tuple(f"class{index}" for index in range(1, case.logits.shape[1]))
    task = Task(classes, Protocol("toy", (classes[:2], classes[2:])), 1)

    got = build(task, confidence=0.6).labels(case.old_logits, case.target)

    for place in torch.cartesian_prod(*(torch.arange(side) for side in case.target.shape)).tolist():
        image, row, column = place
        p, y = case.old_logits[image, :, row, column].softmax(0).tolist(), int(case.target[image, row, column])
        if y == 0 and max(p) > p[0] and max(p) >= 0.6:
            y = p.index(max(p))
        elif y == 0 and p[0] < sum(p[1:]):
            y = IGNORE
        assert int(got[image, row, column]) == y


def test_pixels_that_may_be_old_are_not_trained_and_the_others_are() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 5, 1, 5, requires_grad=True)

    loss = build().supervision(output(logits), row_of_pixels(P), torch.tensor([[[0, 0, 0, 0, 3]]]))["ce"]
    loss.backward()

    assert_close(loss, F.cross_entropy(logits, torch.tensor([[[0, IGNORE, 1, IGNORE, 3]]]), ignore_index=IGNORE))
    assert (logits.grad[0, :, 0].abs().sum(0) > 0).tolist() == [True, False, True, False, True]


def test_features_stay_by_the_background_and_fully_where_labels_are_old() -> None:
    target = torch.tensor([[[0, 0, 0, 4, IGNORE]]]).repeat_interleave(2, 1).repeat_interleave(2, 2)
    old = output(row_of_pixels(P[[0, 1, 2, 3, 4]]))

    weight = build().weight(old, target)

    assert_close(weight, torch.tensor([[[0.5, 0.0, 1.0, 0.0, 0.0]]]))
    assert_close(build().weight(old, target.where(target > 0, 2)), torch.tensor([[[1.0, 1.0, 1.0, 0.0, 0.0]]]))


def test_distillation_is_guided_by_labels_and_keeps_the_decoders_map() -> None:
    torch.manual_seed(1)
    target = torch.tensor([0, 3, 4, IGNORE])[torch.randint(4, (2, 8, 8))]
    new = Output(torch.randn(2, 5, 8, 8), (), torch.randn(2, 6, 4, 4), torch.randn(2, 5, 4, 4))
    old = Output(torch.randn(2, 3, 8, 8), (), torch.randn(2, 6, 4, 4), 3 * torch.randn(2, 3, 4, 4))
    method = build(features_factor=2)

    terms = method.distillation(new, old, target)

    assert_close(terms["kd"], 3 * label_guided_distillation(new.logits, old.logits, target, 1.0, 1.0))
    assert_close(terms["features"], 2 * weighted_mse(new.pixels, old.pixels, method.weight(old, target)))
    assert terms["features"] > 0


def student_with_gradients() -> ToySegmenter:
    torch.manual_seed(2)
    student = ToySegmenter(TASK.head_sizes)
    for parameter in student.parameters():
        parameter.grad = torch.ones_like(parameter)
    return student


def test_the_overlap_of_new_rows_is_added_to_the_gradient_of_the_newest_head_alone() -> None:
    student = student_with_gradients()
    rows = torch.cat([head.weight.flatten(1) for head in student.heads]).detach().requires_grad_()
    want = 5 * 2 / 5 * row_overlap(rows, 2)
    want.backward()

    terms = build(orthogonality_factor=5).after_backward(student)

    assert_close(terms, {"orthogonality": want.detach()})
    assert_close(student.heads[-1].weight.grad, 1 + rows.grad[-2:].view(2, -1, 1, 1))
    others = [p.grad for name, p in student.named_parameters() if name != "classifier.heads.1.weight"]
    assert all((grad == 1).all() for grad in others)


def test_descending_turns_new_rows_away() -> None:
    student, method = student_with_gradients(), build()
    newest = student.heads[-1].weight
    values = []
    for _ in range(200):
        newest.grad = torch.zeros_like(newest)
        values.append(method.after_backward(student)["orthogonality"].item())
        with torch.no_grad():
            newest.sub_(0.1 * newest.grad)

    assert values[-1] < 0.5 * values[0]


@pytest.mark.parametrize("step", [0, 1])
def test_rows_are_left_alone_at_the_first_step_and_where_no_class_is_new(step: int) -> None:
    moving = Task(("a", "b"), Protocol("moving", (("a", "b"), ()), places=(("x",), ("y",))), step)
    student = student_with_gradients()

    assert build(moving).after_backward(student) == {}
    assert (student.heads[-1].weight.grad == 1).all()


def test_a_frozen_head_is_left_alone() -> None:
    student = student_with_gradients()
    student.heads[-1].weight.grad = None

    assert build().after_backward(student) == {}


def test_where_no_class_is_new_labels_stay() -> None:
    moving = Task(("a", "b"), Protocol("moving", (("a", "b"), ()), places=(("x",), ("y",))), 1)
    target = torch.tensor([[[0, 1, 2, 0, IGNORE]]])

    assert_close(build(moving).labels(row_of_pixels(P), target), target)
