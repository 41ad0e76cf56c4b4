"""What every loss of `saticl.losses` promises, whatever its formula."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from torch import Tensor
from torch.testing import assert_close

from saticl import losses
from tests.strategies import IGNORE, StepCase, step_cases

Loss = Callable[[StepCase], Tensor]

FEATURES = (
    *("attended_mse", "centre_", "channel_", "class_repulsion", "feature_", "local_pod", "pixel_contrast"),
    *("pooled_", "prototype_", "relation_", "row_overlap", "weighted_mse"),
)
"""Losses of features and weights, not of scores."""

SIGMOIDS = ("absence", "class_bce", "incremental_bce", "presence_margin", "sigmoid_", "weighted_absence")
"""Losses in which every class stands for itself."""


def positions(features: Tensor) -> Tensor:
    """[B, D, H, W] -> [B·H·W, D]."""
    return features.movedim(1, -1).flatten(0, -2)


def prototypes(case: StepCase) -> Tensor:
    """Six, as wide as a pixel has scores."""
    width = case.logits.shape[1]
    return torch.arange(6 * width, dtype=case.logits.dtype).sin().view(6, width)


def similarity(case: StepCase) -> Tensor:
    """Of the new classes to the old ones."""
    num_old, num_new = case.num_old, case.logits.shape[1] - case.num_old
    eighths = torch.arange(1, 1 + num_new * num_old, dtype=case.logits.dtype) / 8
    return eighths.view(num_new, num_old)


LABELLED: dict[str, Loss] = {
    "class_balanced_cross_entropy": lambda case: losses.class_balanced_cross_entropy(case.logits, case.target),
    "cross_entropy": lambda case: losses.cross_entropy(case.logits, case.target),
    "cross_entropy_unbiased": lambda case: losses.cross_entropy(case.logits, case.target, case.num_old),
    "cross_entropy_weighted": lambda case: losses.cross_entropy(
        case.logits, case.target, case.num_old, torch.arange(1.0, 1 + case.logits.shape[1])
    ),
    "unbiased_cross_entropy": lambda case: losses.unbiased_cross_entropy(case.logits, case.target, case.num_old),
    "focal": lambda case: losses.focal(case.logits, case.target, case.num_old),
    "focal_below_one": lambda case: losses.focal(case.logits, case.target, case.num_old, gamma=0.5),
    "tversky": lambda case: losses.tversky(case.logits, case.target, case.num_old, gamma=2.0),
    "tversky_below_one": lambda case: losses.tversky(case.logits, case.target, case.num_old, gamma=0.5),
    "tanimoto": lambda case: losses.tanimoto(case.logits, case.target, case.num_old),
    "incremental_bce": lambda case: losses.incremental_bce(case.logits, case.target),
    "label_guided_distillation": lambda case: losses.label_guided_distillation(
        case.logits, case.old_logits, case.target, 5.0, 0.5
    ),
    "class_bce": lambda case: losses.class_bce(case.logits[:, 1:], case.target, range(1, case.logits.shape[1]), 4.0),
    "absence": lambda case: losses.absence(case.logits, case.target != IGNORE),
    "presence_margin": lambda case: losses.presence_margin(case.logits[:, 0], case.target != IGNORE),
    "similarity_distillation": lambda case: losses.similarity_distillation(
        case.logits, case.old_logits, case.target, similarity(case)
    ),
    "prototype_matching": lambda case: losses.prototype_matching(case.logits, case.target, prototypes(case)),
    "prototype_attraction": lambda case: losses.prototype_attraction(case.logits, case.target, prototypes(case)),
    "class_repulsion": lambda case: losses.class_repulsion(case.logits, case.target, 6),
    "feature_sparsity": lambda case: losses.feature_sparsity(case.logits, case.target, 6),
    "new_class_cross_entropy": lambda case: losses.new_class_cross_entropy(case.logits, case.target, case.num_old),
}

SOFT: dict[str, Loss] = {
    "distillation": lambda case: losses.distillation(case.logits, case.old_logits),
    "unbiased_distillation": lambda case: losses.unbiased_distillation(case.logits, case.old_logits),
    "joint_cross_entropy": lambda case: losses.joint_cross_entropy(
        case.logits, case.old_logits, case.target, torch.arange(1.0, 1 + case.logits.shape[1]).to(case.logits.dtype)
    ),
    "unlabelled_distillation": lambda case: losses.unlabelled_distillation(case.logits, case.old_logits, case.target),
    "incremental_bce_with_teacher": lambda case: losses.incremental_bce(case.logits, case.target, case.old_logits),
    "sigmoid_distillation": lambda case: losses.sigmoid_distillation(case.logits, case.old_logits),
    "attended_mse": lambda case: losses.attended_mse(
        case.logits, case.logits.detach().square(), (case.target != IGNORE).to(case.logits.dtype)
    ),
    "relation_distillation": lambda case: losses.relation_distillation(case.logits, case.logits.detach().flip(1) + 1),
    "pixel_contrast": lambda case: losses.pixel_contrast(positions(case.logits), case.target.flatten()),
    "weighted_absence": lambda case: losses.weighted_absence(
        case.logits, torch.arange(1.0, 1 + len(case.logits)).to(case.logits.dtype)
    ),
    "centre_repulsion": lambda case: losses.centre_repulsion(
        positions(case.logits), case.target.flatten(), (0, 1), torch.eye(case.logits.shape[1]).to(case.logits.dtype)
    ),
    "prototype_distillation": lambda case: losses.prototype_distillation(
        positions(case.logits), positions(case.logits.detach().flip(1) + 1), case.target.flatten(), 6
    ),
    "feature_mse": lambda case: losses.feature_mse(case.logits, case.logits.detach().square()),
    "weighted_mse": lambda case: losses.weighted_mse(
        case.logits, case.logits.detach().square(), (case.target != IGNORE).to(case.logits.dtype)
    ),
    "row_overlap": lambda case: losses.row_overlap(positions(case.logits), 1),
    "pooled_distance": lambda case: losses.pooled_distance(case.logits, case.logits.detach() + 1),
    "channel_distance": lambda case: losses.channel_distance(case.logits, case.logits.detach() + 1),
    "local_pod_distance": lambda case: losses.local_pod_distance(case.logits.detach() + 1, case.logits),
}

ALL = LABELLED | SOFT

every_loss = pytest.mark.parametrize("name", ALL)
every_labelled_loss = pytest.mark.parametrize("name", LABELLED)


def with_gradient(case: StepCase) -> StepCase:
    return case._replace(logits=case.logits.clone().requires_grad_())


@every_loss
@given(case=step_cases())
def test_a_loss_is_a_finite_scalar_with_a_finite_gradient(name: str, case: StepCase) -> None:
    case = with_gradient(case)

    loss = ALL[name](case)
    loss.backward()

    assert loss.shape == ()
    assert loss >= 0
    assert loss.isfinite()
    assert case.logits.grad.isfinite().all()


@every_loss
@given(case=step_cases(scale=1e4))
def test_extreme_scores_in_single_precision_stay_finite(name: str, case: StepCase) -> None:
    single = case._replace(logits=case.logits.float().requires_grad_(), old_logits=case.old_logits.float())

    loss = ALL[name](single)
    loss.backward()

    assert loss.isfinite()
    assert single.logits.grad.isfinite().all()


@every_labelled_loss
@given(case=step_cases())
def test_ignored_pixels_get_no_gradient(name: str, case: StepCase) -> None:
    case = with_gradient(case)

    LABELLED[name](case).backward()

    ignored = case.logits.grad.movedim(1, -1)[case.target == IGNORE]
    assert torch.equal(ignored, torch.zeros_like(ignored))


@every_labelled_loss
@given(case=step_cases())
def test_scores_of_ignored_pixels_do_not_matter(name: str, case: StepCase) -> None:
    ignored = (case.target == IGNORE)[:, None]
    other = case._replace(logits=case.logits.where(~ignored, -7.0 * case.logits + 1))

    assert_close(LABELLED[name](other), LABELLED[name](case))


@every_labelled_loss
@given(case=step_cases())
def test_a_batch_without_labels_costs_zero_and_keeps_its_graph(name: str, case: StepCase) -> None:
    case = with_gradient(case._replace(target=torch.full_like(case.target, IGNORE)))

    loss = LABELLED[name](case)
    loss.backward()

    assert loss.item() == 0
    assert torch.equal(case.logits.grad, torch.zeros_like(case.logits))


@given(case=step_cases())
def test_distillation_of_unlabelled_pixels_is_zero_where_all_are_labelled(case: StepCase) -> None:
    case = with_gradient(case._replace(target=torch.zeros_like(case.target)))

    loss = SOFT["unlabelled_distillation"](case)
    loss.backward()

    assert loss.item() == 0
    assert torch.equal(case.logits.grad, torch.zeros_like(case.logits))


@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith((*SIGMOIDS, *FEATURES))])
@given(case=step_cases())
def test_a_constant_on_all_scores_of_a_pixel_changes_nothing(name: str, case: StepCase) -> None:
    constant = case.logits[:, :1].sin() * 4

    shifted = case._replace(logits=case.logits + constant)

    assert_close(ALL[name](shifted), ALL[name](case))


@every_loss
@given(case=step_cases())
def test_arguments_are_left_as_they_were(name: str, case: StepCase) -> None:
    before = [tensor.clone() for tensor in case[:3]]

    ALL[name](case)

    assert all(torch.equal(now, then) for now, then in zip(case[:3], before, strict=True))


@every_loss
@given(case=step_cases())
def test_labels_may_be_bytes(name: str, case: StepCase) -> None:
    assert_close(ALL[name](case._replace(target=case.target.byte())), ALL[name](case))


@every_loss
@given(case=step_cases())
def test_half_precision_is_computed_in_single_also_inside_autocast(name: str, case: StepCase) -> None:
    half = case._replace(logits=case.logits.bfloat16(), old_logits=case.old_logits.bfloat16())
    single = case._replace(logits=half.logits.float(), old_logits=half.old_logits.float())
    outside = ALL[name](single)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = ALL[name](half)

    assert inside.dtype == torch.float32
    if not name.startswith(FEATURES):  # their other map is made in half precision here
        assert_close(inside, outside, rtol=0, atol=0)


@every_loss
@given(case=step_cases())
def test_double_precision_stays_double(name: str, case: StepCase) -> None:
    assert ALL[name](case).dtype == torch.float64


def test_every_exported_loss_is_tested_here() -> None:
    helpers = {"fold_new", "fold_old", "fold_target", "masked_mean", "nearest_labels"}
    helpers |= {"normalised_entropy", "old_labels", "class_counts", "class_means", "class_sums", "class_similarity"}
    helpers |= {"joint_pixels", "one_batch", "share", "total"}

    assert set(losses.__all__) - helpers == {name for name in losses.__all__ if name in ALL}
