"""The cross entropy in which every class has its share."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from saticl.losses import balanced_cross_entropy
from tests.reference import losses as reference
from tests.strategies import IGNORE, StepCase, step_cases

balances = st.sampled_from([0.0, 0.25, 0.5, 1.0])


def expected(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@given(step_cases(), balances)
def test_it_is_the_equation(case: StepCase, balance: float) -> None:
    loss = balanced_cross_entropy(case.logits, case.old_logits, case.target, balance)

    assert_close(loss, expected(reference.balanced_cross_entropy(*case[:3], balance)))


@given(step_cases())
def test_without_balance_it_is_the_mean_over_pixels_of_labels_and_teacher(case: StepCase) -> None:
    num_classes, counts = case.logits.shape[1], case.target != IGNORE
    labels = F.one_hot(case.target.where(counts, 0), num_classes).movedim(-1, 1)
    taught = F.pad(case.old_logits.softmax(1), (0, 0, 0, 0, 0, num_classes - case.num_old))
    both = torch.where((case.target != 0)[:, None], labels, taught)

    loss = balanced_cross_entropy(case.logits, case.old_logits, case.target, 0.0)

    by_pixel = F.cross_entropy(case.logits, both, reduction="none")
    assert_close(loss, by_pixel.where(counts, 0).sum() / counts.sum().clamp(min=1))


@given(step_cases(), balances)
def test_it_does_not_depend_on_the_size_of_the_batch(case: StepCase, balance: float) -> None:
    twice = [torch.cat([part, part]) for part in case[:3]]

    assert_close(balanced_cross_entropy(*twice, balance), balanced_cross_entropy(*case[:3], balance))


@pytest.mark.parametrize(("balance", "ratio"), [(0.0, 16.0), (0.5, 4.0), (1.0, 1.0)])
def test_a_class_of_sixteen_times_the_pixels_pulls_as_much_as_its_root_or_as_little(
    balance: float, ratio: float
) -> None:
    """Whether labels name a class or the teacher does."""
    logits = torch.zeros(1, 4, 64, 64, requires_grad=True)
    old_logits = torch.full((1, 2, 64, 64), -30.0)
    target = torch.zeros(1, 64, 64, dtype=torch.long)
    target[0, :32], target[0, 32:34] = 3, 2  # labels: 2048 and 128 pixels
    old_logits[0, 0, 34:63], old_logits[0, 1, 63:] = 30.0, 30.0  # the teacher: 1856 and 64

    balanced_cross_entropy(logits, old_logits, target, balance).backward()

    pulls = [-logits.grad[0, label].clamp(max=0).sum().item() for label in range(4)]  # type: ignore[index]
    assert pulls[3] / pulls[2] == pytest.approx(ratio, rel=0.05)
    assert pulls[3] / pulls[0] == pytest.approx((2048 / 1856) ** (1 - balance), rel=0.05)
    assert pulls[2] / pulls[1] == pytest.approx(2 ** (1 - balance), rel=0.05)


def test_a_class_on_almost_no_pixel_pulls_less_than_the_others() -> None:
    logits = torch.zeros(1, 2, 64, 64, requires_grad=True)
    target = torch.zeros(1, 64, 64, dtype=torch.long)  # a teacher that knows the background alone
    target[0, 0, 0] = 1

    balanced_cross_entropy(logits, torch.zeros(1, 1, 64, 64), target, 1.0).backward()

    pulls = [-logits.grad[0, label].clamp(max=0).sum() for label in range(2)]  # type: ignore[index]
    assert_close(pulls[1] / pulls[0], torch.tensor(1 / 3), rtol=1e-3, atol=0)  # 1 / (1 + 4096 / 2048)


def test_a_student_like_its_teacher_and_labels_has_no_gradient() -> None:
    old_logits = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    logits = torch.cat([old_logits, torch.full((1, 1, 4, 4), -40.0)], dim=1).requires_grad_()

    balanced_cross_entropy(logits, old_logits, torch.zeros(1, 4, 4, dtype=torch.long), 0.0).backward()

    assert_close(logits.grad, torch.zeros_like(logits), rtol=0, atol=1e-6)
