"""PLOP and LGKD: thresholds, pseudo labels, per-image factors and the feature term."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from saticl.errors import InvalidCheckpoint
from saticl.labels import IGNORE
from saticl.losses import label_guided_distillation, normalised_entropy
from saticl.methods.criterion import build_criterion
from saticl.methods.lgkd import LGKD
from saticl.methods.options import LGKDOptions, PLOPOptions
from saticl.methods.plop import LOWEST, PLOP, PublishedPLOP, histogram_medians, published_medians
from saticl.options import CEOptions, KDOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch, Output
from tests import official
from tests.strategies import seeds

BINS = 100


def task(num_old: int, num_new: int) -> Task:
    classes = tuple(f"class{index}" for index in range(num_old - 1 + num_new))
    return Task(classes, Protocol("toy", (classes[: num_old - 1], classes[num_old - 1 :])), 1)


def build(num_old: int = 3, num_new: int = 2, **options: object) -> PLOP:
    own = PLOPOptions.model_validate(options)
    kind = PublishedPLOP if own.faithful else PLOP
    return kind(task(num_old, num_new), build_criterion(CEOptions()), KDOptions(), own)


def output(logits: Tensor, maps: list[Tensor] | None = None) -> Output:
    maps = maps or [logits]
    return Output(logits, tuple(maps[:-1]), maps[-1], logits)


@official.cases("plop_pod_")
def test_the_feature_term_is_that_of_the_published_code(file: Path) -> None:
    case = official.read(file)
    new = [case[f"new_{index}"].requires_grad_() for index in range(3)]
    logits = case["logits"].requires_grad_()
    num_old = int(case["old_classes"])
    method = build(num_old, logits.shape[1] - num_old, faithful=True)

    old = output(case["old_logits"], [case[f"old_{index}"] for index in range(3)])
    loss = method.distillation(output(logits, new), old, torch.zeros(1))["pod"]
    loss.backward()

    torch.testing.assert_close(loss, case["loss"], rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(new[0].grad, case["grad_new_0"], rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(logits.grad, case["grad_logits"], rtol=1e-6, atol=1e-12)


def test_a_classifier_that_starts_from_the_background_has_no_distance_yet() -> None:
    old = torch.randn(2, 3, 8, 8)
    share = old[:, :1] - math.log(3)
    new = torch.cat([share, old[:, 1:], share, share], dim=1)
    maps = [torch.randn(2, 4, 8, 8)] * 2

    assert build().pod(output(new, maps), output(old, maps)).item() == pytest.approx(0, abs=1e-6)


@given(st.integers(2, 20), st.floats(-5, 5))
def test_entropy_is_1_for_a_uniform_teacher_and_0_for_a_certain_one(classes: int, score: float) -> None:
    uniform = torch.full((1, classes, 2, 2), score)
    certain = uniform.clone()
    certain[:, 1] += 1000

    torch.testing.assert_close(normalised_entropy(uniform), torch.ones(1, 2, 2))
    torch.testing.assert_close(normalised_entropy(certain), torch.zeros(1, 2, 2))


def test_the_published_uncertainty_is_far_smaller() -> None:
    method = build(16, 5, faithful=True)

    highest = method.uncertainty(torch.zeros(1, 16, 2, 2))

    torch.testing.assert_close(highest, torch.full((1, 2, 2), 1 / (16 * math.log(21))))


@given(seeds, st.integers(1, 400))
def test_medians_of_a_histogram_are_medians_within_a_bin(seed: int, count: int) -> None:
    values = torch.rand(count, generator=torch.Generator().manual_seed(seed)) ** 3
    counts = torch.bincount((values * BINS).long().clamp(max=BINS - 1), minlength=BINS)

    (median, nothing) = histogram_medians(torch.stack([counts, torch.zeros_like(counts)]))

    below, above = np.quantile(values.numpy(), 0.5, method="lower"), np.quantile(values.numpy(), 0.5, method="higher")
    assert below - 1 / BINS <= median <= above + 1 / BINS
    assert nothing == 0


def test_the_published_median_counts_bins_in_place_of_pixels() -> None:
    counts = torch.zeros(1, BINS, dtype=torch.int64)
    counts[0, 0], counts[0, 1], counts[0, 2] = 30, 50, 20

    assert histogram_medians(counts).item() == pytest.approx((1 + 20 / 50) / BINS)
    assert published_medians(counts).item() == pytest.approx((1 + 50 / 50) / BINS)


def test_the_published_median_accepts_all_where_no_bin_holds_half_and_the_last_is_empty() -> None:
    counts = torch.zeros(1, BINS, dtype=torch.int64)
    counts[0, :4] = 3000

    assert published_medians(counts).item() == math.inf


def test_thresholds_are_medians_over_background_pixels_by_predicted_class() -> None:
    torch.manual_seed(0)
    method, logits = build(), 3 * torch.randn(4, 3, 16, 16)
    target = torch.randint(0, 2, (4, 16, 16)) * 3
    images = iter(logits.split(2))

    batches = [Batch(part, labels) for part, labels in zip(logits.split(2), target.split(2), strict=True)]
    method.begin(torch.nn.Identity(), lambda _: output(next(images)), batches)

    uncertainty, said = normalised_entropy(logits), logits.argmax(1)
    for index in range(3):
        values = uncertainty[(target == 0) & (said == index)].numpy()
        assert method.thresholds[index].item() == pytest.approx(np.median(values), abs=0.002)


@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_half_of_the_background_is_labelled_also_by_a_teacher_that_is_never_or_always_sure(scale: float) -> None:
    torch.manual_seed(0)
    method, logits = build(), scale * torch.randn(4, 3, 32, 32)
    background = torch.zeros(4, 32, 32, dtype=torch.long)

    method.begin(torch.nn.Identity(), lambda _: output(logits), [Batch(logits, background)])

    confident = normalised_entropy(logits) < method.thresholds[logits.argmax(1)]
    assert 0.4 < confident.float().mean() < 1


def test_classes_that_the_teacher_never_says_have_the_lowest_threshold() -> None:
    method, logits = build(), torch.randn(1, 3, 8, 8)
    logits[:, 2] -= 100

    method.begin(
        torch.nn.Identity(), lambda _: output(logits), [Batch(logits, torch.zeros(1, 8, 8, dtype=torch.long))]
    )

    assert method.thresholds[2].item() == pytest.approx(LOWEST)


@given(seeds)
def test_supervision_is_the_formula_pixel_by_pixel(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    method = build()
    method.thresholds = torch.rand(3, generator=random)
    logits, old = torch.randn(3, 5, 4, 4, generator=random), 2 * torch.randn(3, 3, 4, 4, generator=random)
    target = torch.tensor([0, 3, 4, IGNORE])[torch.randint(4, (3, 4, 4), generator=random)]

    total, labelled = 0.0, 0
    for image in range(3):
        losses, sure, background = [], 0, 0
        for place in [(row, column) for row in range(4) for column in range(4)]:
            p = old[(image, slice(None), *place)].softmax(0)
            label = int(target[(image, *place)])
            labelled += label != IGNORE
            if label == 0:
                background += 1
                said = int(p.argmax())
                confident = -(p * p.log()).sum() / math.log(3) < method.thresholds[said]
                sure += int(confident)
                label = said if confident else IGNORE
            if label != IGNORE:
                losses.append(-logits[(image, slice(None), *place)].log_softmax(0)[label].item())
        total += (sure / background if background else 1) * sum(losses)

    got = method.supervision(output(logits), old, target)["ce"]

    assert got.item() == pytest.approx(total / max(labelled, 1), rel=1e-4, abs=1e-5)


def test_an_image_without_background_counts_fully() -> None:
    method, logits = build(), torch.randn(2, 5, 4, 4)
    target = torch.full((2, 4, 4), 3)

    loss = method.supervision(output(logits), torch.zeros(2, 3, 4, 4), target)["ce"]

    torch.testing.assert_close(loss, F.cross_entropy(logits, target))


def test_images_keep_their_factor_in_a_doubled_batch() -> None:
    torch.manual_seed(1)
    method = build()
    method.thresholds = torch.full((3,), 0.7)
    logits, old, target = torch.randn(2, 5, 4, 4), torch.randn(2, 3, 4, 4), torch.randint(0, 2, (2, 4, 4)) * 3
    turn = (2, 3)

    once = method.supervision(output(logits), old, target)["ce"]
    doubled = method.supervision(
        output(torch.cat([logits, logits.flip(turn)])),
        torch.cat([old, old.flip(turn)]),
        torch.cat([target, target.flip((1, 2))]),
    )["ce"]

    torch.testing.assert_close(doubled, once)


def test_lgkd_is_plop_and_label_guided_distillation_of_the_small_scores() -> None:
    torch.manual_seed(2)
    guided = LGKD(
        task(3, 2), build_criterion(CEOptions()), KDOptions(decoder_factor=2.0), LGKDOptions(previous=5, novel=0.5)
    )
    small, old = torch.randn(2, 5, 4, 4), torch.randn(2, 3, 4, 4)
    target = torch.tensor([0, 3, 4, IGNORE])[torch.randint(4, (2, 8, 8))]
    new_output, old_output = output(small), output(old)._replace(pixels=small)

    terms = guided.distillation(new_output, old_output, target)

    want = label_guided_distillation(small, old, target[:, ::2, ::2], 5.0, 0.5)
    torch.testing.assert_close(terms["kd"], 2 * want)
    torch.testing.assert_close(terms["pod"], build().pod(new_output, old_output))


def test_an_interrupted_step_of_another_method_is_refused() -> None:
    with pytest.raises(InvalidCheckpoint, match=r"ewc\.fisher"):
        build().resume_state({"ewc.fisher.a": torch.zeros(1)})
