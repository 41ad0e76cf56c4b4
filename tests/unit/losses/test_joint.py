"""The cross entropy that labels and the previous model share, and what it counts."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from saticl.losses import joint_cross_entropy, joint_pixels
from tests.reference import losses as reference
from tests.strategies import IGNORE, StepCase, seeds, step_cases


def expected(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def drawn(seed: int, number: int) -> Tensor:
    """Weights between 1/16 and 16."""
    return 16 ** (2 * torch.rand(number, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1)


@given(step_cases(), seeds, st.sampled_from([0.0, 0.25, 1.0]))
def test_it_is_the_equation(case: StepCase, seed: int, favour_rare: float) -> None:
    weights = drawn(seed, case.logits.shape[1])

    loss = joint_cross_entropy(case.logits, case.old_logits, case.target, weights, favour_rare)

    assert_close(loss, expected(reference.joint_cross_entropy(*case[:3], weights.tolist(), favour_rare)))


@given(step_cases(), st.sampled_from([0.0, 1.0]))
def test_with_equal_weights_it_is_the_mean_over_pixels_of_labels_and_teacher(
    case: StepCase, favour_rare: float
) -> None:
    num_classes, counts = case.logits.shape[1], case.target != IGNORE
    labels = F.one_hot(case.target.where(counts, 0), num_classes).movedim(-1, 1)
    says = F.pad(case.old_logits.softmax(1), (0, 0, 0, 0, 0, num_classes - case.num_old))
    both = torch.where((case.target != 0)[:, None], labels, says)

    loss = joint_cross_entropy(case.logits, case.old_logits, case.target, torch.ones(num_classes), favour_rare)

    by_pixel = F.cross_entropy(case.logits, both, reduction="none")
    assert_close(loss, by_pixel.where(counts, 0).sum() / counts.sum().clamp(min=1))


@given(seeds, st.sampled_from([0.0, 0.25, 1.0]))
def test_weights_change_what_pulls_but_what_is_learned_only_as_far_as_they_are_told(
    seed: int, favour_rare: float
) -> None:
    """Of 24 pixels that look alike, 6 are background for the teacher, 12 an old class, 4 a new one and 2 another."""
    target = torch.tensor([0] * 18 + [2] * 4 + [3] * 2).view(1, 4, 6)
    says = torch.tensor([1 / 3, 2 / 3], dtype=torch.float64).log()[None, :, None, None].expand(1, 2, 4, 6)
    weights = drawn(seed, 4)
    alike = (torch.tensor([6.0, 12, 4, 2], dtype=torch.float64) * weights**favour_rare).log().requires_grad_()

    joint_cross_entropy(alike[None, :, None, None].expand(1, 4, 4, 6), says, target, weights, favour_rare).backward()

    assert_close(alike.grad, torch.zeros_like(alike), rtol=0, atol=1e-9)


@pytest.mark.parametrize("index", range(4))
def test_a_class_of_more_weight_is_learned_faster(index: int) -> None:
    """Whether labels name it or the teacher does: its score rises faster from where all are alike."""
    target = torch.tensor([0, 0, 2, 3]).view(1, 2, 2)
    says = torch.tensor([[40.0, 0, 0, 0], [0, 40, 0, 0]]).view(1, 2, 2, 2)

    def pull(weight: float) -> float:
        weights = torch.ones(4)
        weights[index] = weight
        logits = -weights.log().view(1, 4, 1, 1).expand(1, 4, 2, 2).clone()
        logits.requires_grad_()
        joint_cross_entropy(logits, says, target, weights).backward()
        return -logits.grad[0, index].min().item()  # type: ignore[index]

    assert pull(4.0) == pytest.approx(4 * pull(1.0))


@given(step_cases(), st.integers(0, 2))
def test_pixels_are_counted_by_labels_and_by_what_the_teacher_says(case: StepCase, further: int) -> None:
    num_classes = case.logits.shape[1] + further

    pixels = joint_pixels(case.old_logits, case.target, num_classes)

    assert pixels.dtype == torch.int64
    assert (pixels / 1000).tolist() == pytest.approx(
        reference.joint_pixels(*case[1:3], num_classes), rel=0, abs=5.1e-4
    )
