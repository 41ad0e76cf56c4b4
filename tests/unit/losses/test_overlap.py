from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from saticl.losses import fold_old, fold_target, tanimoto, tversky
from tests.reference import losses as reference
from tests.strategies import IGNORE, StepCase, step_cases

Loss = Callable[..., Tensor]

WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 0.25, 3.0, 1.5], dtype=torch.float64)


def expected(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def perfect(target: Tensor, num_classes: int) -> Tensor:
    """Scores that are certain of the label."""
    labels = target.where(target != IGNORE, 0)
    return 400.0 * torch.nn.functional.one_hot(labels, num_classes).movedim(-1, 1).double()


@given(
    step_cases(), st.sampled_from([0.3, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 0.7]), st.sampled_from([0.75, 1.0, 2.0])
)
def test_tversky_is_the_equation(case: StepCase, alpha: float, beta: float, gamma: float) -> None:
    weight = WEIGHTS[: case.logits.shape[1]]

    loss = tversky(case.logits, case.target, 1, alpha, beta, gamma, weight)

    assert_close(loss, expected(reference.tversky(case.logits, case.target, alpha, beta, gamma, weight.tolist())))


@given(step_cases())
def test_tanimoto_is_the_equation(case: StepCase) -> None:
    weight = WEIGHTS[: case.logits.shape[1]]

    loss = tanimoto(case.logits, case.target, weight=weight)

    assert_close(loss, expected(reference.tanimoto(case.logits, case.target, weight.tolist())))


@pytest.mark.parametrize("loss", [tversky, tanimoto])
@given(case=step_cases())
def test_the_unbiased_form_is_the_plain_loss_of_folded_scores_and_labels(loss: Loss, case: StepCase) -> None:
    weight = WEIGHTS[: case.logits.shape[1]]
    folded_weight = torch.cat([weight[:1], weight[case.num_old :]])

    unbiased = loss(case.logits, case.target, case.num_old, weight=weight)

    folded = fold_old(case.logits, case.num_old), fold_target(case.target, case.num_old)
    assert_close(unbiased, loss(*folded, weight=folded_weight))


@pytest.mark.parametrize("loss", [tversky, tanimoto])
@given(case=step_cases())
def test_a_perfect_prediction_costs_nothing_and_any_other_between_nothing_and_one(loss: Loss, case: StepCase) -> None:
    best = loss(perfect(case.target, case.logits.shape[1]), case.target)

    assert_close(best, expected(0.0), atol=1e-9, rtol=0)
    assert 0 <= loss(case.logits, case.target) <= 1


def test_tversky_with_halves_is_dice_and_with_ones_jaccard() -> None:
    # probabilities 3/4 and 1/4, labels 0 and 1: TP = 3/4 + 1/4; per class TP 3/4, FP 3/4, FN 1/4 and 1/4, 1/4, 3/4
    logits = torch.tensor([3.0, 1.0]).log().view(1, 2, 1, 1).expand(1, 2, 1, 2)
    target = torch.tensor([[[0, 1]]])

    dice = tversky(logits, target, alpha=0.5, beta=0.5)
    jaccard = tversky(logits, target, alpha=1, beta=1)

    assert_close(dice, torch.tensor(1 - (0.75 / 1.25 + 0.25 / 0.75) / 2))
    assert_close(jaccard, torch.tensor(1 - (0.75 / 1.75 + 0.25 / 1.25) / 2))


@given(step_cases())
def test_classes_without_a_pixel_do_not_change_tversky(case: StepCase) -> None:
    absent = torch.full_like(case.logits[:, :1], -torch.inf)

    with_absent = tversky(torch.cat([case.logits, absent], dim=1), case.target)

    assert_close(with_absent, tversky(case.logits, case.target))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_tversky_has_a_finite_gradient_where_the_prediction_is_perfect(gamma: float) -> None:
    target = torch.tensor([[[0, 1, 2]]])
    logits = perfect(target, 3).float().requires_grad_()

    tversky(logits, target, gamma=gamma).backward()

    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", [tversky, tanimoto])
def test_a_batch_of_background_alone_has_a_finite_loss_and_gradient(loss: Loss) -> None:
    logits = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()

    value = loss(logits, torch.zeros(2, 3, 3, dtype=torch.long), num_old=2)
    value.backward()

    assert 0 < value < 1
    assert logits.grad.isfinite().all()
