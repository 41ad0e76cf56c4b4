"""A few rows at a time, losses and gradients are what they are at once, and fewer tensors stay."""

from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from torch import Tensor
from torch.testing import assert_close

from saticl.losses import slices
from saticl.losses.slices import by_slices
from tests.strategies import StepCase, step_cases
from tests.unit.losses.test_promises import ALL


def found(name: str, case: StepCase, large: int) -> tuple[Tensor, Tensor]:
    """Value and gradient, where so many scores are looked at together."""
    logits = case.logits.clone().requires_grad_()
    with patch.object(slices, "LARGE", large):
        loss = ALL[name](case._replace(logits=logits))
        (2 * loss).backward()
    assert logits.grad is not None
    return loss.detach(), logits.grad


@pytest.mark.parametrize("name", ALL)
@given(case=step_cases())
def test_values_and_gradients_do_not_depend_on_the_slices(name: str, case: StepCase) -> None:
    at_once = found(name, case, 10**9)

    for large in (1, case.logits.numel() // 2):
        assert_close(found(name, case, large), at_once, rtol=1e-12, atol=1e-14)


def summed(scores: Tensor, factor: Tensor) -> Tensor:
    """A loss that notes what it sees."""
    SEEN.append(tuple(scores.shape))
    assert scores.shape[2:] == factor.shape[-2:]
    return (scores.square() * factor).sum(1)


SEEN: list[tuple[int, ...]] = []


@pytest.mark.parametrize(
    ("large", "rows"), [(1, [1] * 7), (2 * 3 * 5 * 2, [2, 2, 2, 1]), (2 * 3 * 7 * 5, [7]), (2 * 3 * 7 * 5 - 1, [6, 1])]
)
def test_as_many_rows_are_taken_as_fit(large: int, rows: list[int]) -> None:
    SEEN.clear()
    logits, factor = torch.randn(2, 3, 7, 5, requires_grad=True), torch.randn(2, 1, 7, 5)
    with patch.object(slices, "LARGE", large):
        loss = by_slices(summed, logits, factor)
    seen = [shape[2] for shape in SEEN]
    weights = torch.randn(2, 7, 5)
    (weights * loss).sum().backward()

    assert seen == rows
    assert_close(loss, (logits.square() * factor).sum(1))
    assert_close(logits.grad, 2 * logits.detach() * factor * weights[:, None])


@pytest.mark.parametrize("graded", [True, False])
def test_without_gradients_nothing_is_kept_and_nothing_is_cut(graded: bool) -> None:
    SEEN.clear()
    logits = torch.randn(2, 3, 7, 5, requires_grad=graded)
    with patch.object(slices, "LARGE", 1), torch.set_grad_enabled(not graded):
        by_slices(summed, logits, torch.ones(7, 5))

    assert SEEN == [(2, 3, 7, 5)]
