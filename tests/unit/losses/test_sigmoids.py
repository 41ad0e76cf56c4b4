"""Losses of one sigmoid per class."""

import torch
from hypothesis import given
from torch.testing import assert_close

from saticl.losses import incremental_bce, sigmoid_cross_entropy
from tests.reference import frozen as reference
from tests.strategies import IGNORE, StepCase, step_cases


@given(step_cases())
def test_every_class_is_decided_for_itself_at_labelled_pixels(case: StepCase) -> None:
    expected = reference.sigmoid_cross_entropy(case.logits, case.target)

    assert_close(sigmoid_cross_entropy(case.logits, case.target), torch.tensor(expected, dtype=torch.float64))


def test_ignored_pixels_do_not_make_the_mean_smaller() -> None:
    logits = torch.randn(1, 4, 2, 4, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([[[0, 1, 2, 3], [IGNORE] * 4]])

    assert_close(sigmoid_cross_entropy(logits, target), 2 * incremental_bce(logits, target))
