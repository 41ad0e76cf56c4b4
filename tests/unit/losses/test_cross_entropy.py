import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from saticl.losses import (
    class_balanced_cross_entropy,
    cross_entropy,
    focal,
    fold_old,
    fold_target,
    incremental_bce,
    new_class_cross_entropy,
    unbiased_cross_entropy,
)
from tests.reference import losses as reference
from tests.strategies import IGNORE, StepCase, step_cases

WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 0.25, 3.0, 1.5], dtype=torch.float64)


def expected(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


@given(step_cases())
def test_unbiased_cross_entropy_is_the_equation_at_every_pixel(case: StepCase) -> None:
    loss = unbiased_cross_entropy(case.logits, case.target, case.num_old, reduction="none")

    want = reference.unbiased_cross_entropy_map(case.logits, case.target, case.num_old)
    assert_close(loss.flatten().tolist(), want)


@given(step_cases())
def test_reductions_average_over_labelled_or_over_all_pixels(case: StepCase) -> None:
    pixels = unbiased_cross_entropy(case.logits, case.target, case.num_old, reduction="none")
    labelled = int((case.target != IGNORE).sum())

    mean_valid = unbiased_cross_entropy(case.logits, case.target, case.num_old)
    mean_all = unbiased_cross_entropy(case.logits, case.target, case.num_old, reduction="all")

    assert_close(mean_valid * max(labelled, 1), pixels.sum())
    assert_close(mean_all * pixels.numel(), pixels.sum())


@given(step_cases(num_old=1))
def test_unbiased_cross_entropy_is_the_plain_one_when_only_background_is_old(case: StepCase) -> None:
    assert_close(unbiased_cross_entropy(case.logits, case.target, 1), cross_entropy(case.logits, case.target))


@given(step_cases())
def test_a_new_label_costs_the_same_with_and_without_folding(case: StepCase) -> None:
    new = torch.full_like(case.target, case.logits.shape[1] - 1)

    assert_close(unbiased_cross_entropy(case.logits, new, case.num_old), cross_entropy(case.logits, new))


@given(step_cases())
def test_cross_entropy_with_weights_is_that_of_torch(case: StepCase) -> None:
    weight = WEIGHTS[: case.logits.shape[1]]
    case.target[0, 0, 0] = 1  # torch gives NaN without a label

    loss = cross_entropy(case.logits, case.target, weight=weight)

    assert_close(loss, F.cross_entropy(case.logits, case.target, weight, ignore_index=IGNORE))


@given(step_cases(), st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]), st.booleans())
def test_focal_is_the_equation_in_plain_and_unbiased_form(case: StepCase, gamma: float, weighted: bool) -> None:
    weight = WEIGHTS[: case.logits.shape[1]] if weighted else None

    loss = focal(case.logits, case.target, case.num_old, gamma, weight)

    want = reference.focal(
        case.logits, case.target, case.num_old, gamma, weight.tolist() if weight is not None else None
    )
    # (1 - q)^gamma of the naive version cancels where q is almost 1
    assert_close(loss, expected(want), rtol=1e-6, atol=1e-9)


@given(step_cases(), st.booleans())
def test_focal_without_focus_is_cross_entropy(case: StepCase, weighted: bool) -> None:
    weight = WEIGHTS[: case.logits.shape[1]] if weighted else None

    plain = cross_entropy(case.logits, case.target, case.num_old, weight)

    assert_close(focal(case.logits, case.target, case.num_old, 0.0, weight), plain)


@given(step_cases())
def test_the_unbiased_form_is_the_plain_loss_of_folded_scores_and_labels(case: StepCase) -> None:
    folded = fold_old(case.logits, case.num_old), fold_target(case.target, case.num_old)

    assert_close(cross_entropy(case.logits, case.target, case.num_old), cross_entropy(*folded))
    assert_close(focal(case.logits, case.target, case.num_old), focal(*folded))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_a_finite_gradient_where_the_prediction_is_perfect(gamma: float) -> None:
    logits = torch.tensor([200.0, 0.0, 0.0]).view(1, 3, 1, 1).requires_grad_()

    focal(logits, torch.zeros(1, 1, 1, dtype=torch.long), gamma=gamma).backward()

    assert logits.grad.isfinite().all()


@given(step_cases(), st.booleans())
def test_incremental_bce_is_the_equation(case: StepCase, has_teacher: bool) -> None:
    old = case.old_logits if has_teacher else None

    loss = incremental_bce(case.logits, case.target, old, importance=7.0)

    assert_close(loss, expected(reference.incremental_bce(case.logits, case.target, old, 7.0)))


@given(step_cases())
def test_new_class_cross_entropy_is_the_equation(case: StepCase) -> None:
    loss = new_class_cross_entropy(case.logits, case.target, case.num_old)

    assert_close(loss, expected(reference.new_class_cross_entropy(case.logits, case.target, case.num_old)))


def test_folding_works_when_a_step_adds_no_class() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)

    loss = unbiased_cross_entropy(logits, torch.zeros(1, 2, 2, dtype=torch.long), num_old=3)
    loss.backward()

    assert_close(loss, torch.tensor(0.0))
    assert_close(logits.grad, torch.zeros_like(logits))


@given(step_cases())
def test_class_balanced_cross_entropy_is_the_equation(case: StepCase) -> None:
    loss = class_balanced_cross_entropy(case.logits, case.target)

    assert_close(loss, expected(reference.class_balanced_cross_entropy(case.logits, case.target)))


def test_a_class_weighs_the_same_on_many_pixels_and_on_few_but_less_on_almost_none() -> None:
    logits = torch.zeros(2, 3, 64, 64, requires_grad=True)
    target = torch.zeros(2, 64, 64, dtype=torch.uint8)
    target[:, :16] = 1
    target[0, 20, :2] = 2

    class_balanced_cross_entropy(logits, target).backward()

    many, quarter, few = (-logits.grad[:, label][target == label].sum() for label in range(3))
    assert_close(quarter, many, rtol=0.02, atol=0)
    assert few < 0.5 * many


@given(step_cases())
def test_class_balance_does_not_depend_on_the_size_of_the_batch(case: StepCase) -> None:
    twice = class_balanced_cross_entropy(torch.cat([case.logits] * 2), torch.cat([case.target] * 2))

    assert_close(twice, class_balanced_cross_entropy(case.logits, case.target))
