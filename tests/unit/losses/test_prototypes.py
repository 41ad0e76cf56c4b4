"""Means of classes and what is compared with them, against loops over every position."""

import math
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from saticl.losses import (
    class_counts,
    class_means,
    class_repulsion,
    class_similarity,
    class_sums,
    feature_sparsity,
    prototype_attraction,
    prototype_matching,
    similarity_distillation,
)
from tests.reference import prototypes as reference
from tests.strategies import IGNORE, StepCase, normal, seeds, step_cases

CLASSES = 5


class Case(NamedTuple):
    """Labelled features, and a prototype for every class."""

    features: Tensor
    labels: Tensor
    prototypes: Tensor


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Several images, more channels than one, sides that differ: what a reshape in the wrong order would mix."""
    random = torch.Generator().manual_seed(draw(seeds))
    batch, channels, height, width = (draw(st.integers(1, most)) for most in (3, 4, 3, 4))
    labels = torch.randint(CLASSES, (batch, height, width), generator=random)
    ignored = torch.rand(labels.shape, generator=random) < draw(st.sampled_from([0.0, 0.3, 0.9]))
    return Case(
        normal((batch, channels, height, width), random),
        labels.masked_fill(ignored, IGNORE),
        normal((CLASSES, channels), random),
    )


@given(cases())
def test_means_are_those_of_the_positions_of_a_class_whatever_the_order_in_memory(case: Case) -> None:
    found = reference.by_class(case.features, case.labels)

    for features in (case.features, case.features.to(memory_format=torch.channels_last)):
        means = class_means(features, case.labels, CLASSES)
        for c in range(CLASSES):
            want = reference.mean_of(found[c]) if c in found else [0.0] * case.features.shape[1]
            assert means[c].tolist() == pytest.approx(want, abs=1e-12)
    counts = class_counts(case.labels, CLASSES)
    assert counts.tolist() == [len(found.get(c, [])) for c in range(CLASSES)]
    assert_close(class_sums(case.features, case.labels, CLASSES), means * counts[:, None])


@given(cases())
def test_batch_means_are_matched_with_prototypes(case: Case) -> None:
    assert prototype_matching(*case).item() == pytest.approx(reference.prototype_matching(*case), abs=1e-12)


@given(cases())
def test_positions_are_attracted_by_the_prototype_of_their_class(case: Case) -> None:
    assert prototype_attraction(*case).item() == pytest.approx(reference.prototype_attraction(*case), abs=1e-12)


@given(cases())
def test_means_of_classes_repel_each_other(case: Case) -> None:
    want = reference.class_repulsion(case.features, case.labels)

    assert class_repulsion(case.features, case.labels, CLASSES).item() == pytest.approx(want, rel=1e-9)


@given(cases())
def test_sparsity_is_relative_to_the_largest_feature_of_the_class(case: Case) -> None:
    want = reference.feature_sparsity(case.features, case.labels)

    assert feature_sparsity(case.features, case.labels, CLASSES).item() == pytest.approx(want, rel=1e-9)


def row(labels: list[int], features: list[list[float]]) -> tuple[Tensor, Tensor]:
    """An image of one row."""
    return torch.tensor(features).T[None, :, None], torch.tensor(labels)[None, None]


@pytest.mark.parametrize("loss", [prototype_matching, prototype_attraction])
def test_every_class_counts_the_same_in_whichever_order_it_comes(loss: object) -> None:
    """Three classes at distances 1, 4 and 9 of their prototypes: their mean, whoever is first or largest."""
    features, labels = row([1, 2, 2, 2, 3], [[1.0], [2.0], [2.0], [2.0], [3.0]])
    prototypes = torch.zeros(4, 1)

    assert loss(features, labels, prototypes).item() == pytest.approx(14 / 3)  # type: ignore[operator]
    swapped = labels.apply_(lambda label: 4 - label)
    assert loss(features, swapped, prototypes).item() == pytest.approx(14 / 3)  # type: ignore[operator]


def test_background_is_neither_matched_nor_attracted_nor_repelled() -> None:
    features, labels = row([0, 0, 1], [[5.0, 1.0], [9.0, 2.0], [0.0, 0.0]])
    prototypes = torch.zeros(2, 2)

    assert prototype_matching(features, labels, prototypes) == 0
    assert prototype_attraction(features, labels, prototypes) == 0
    assert class_repulsion(features, labels, 2) == 0


def test_equal_means_are_no_pair_and_leave_the_others_finite() -> None:
    features, labels = row([1, 2, 3], [[1.0, 1.0], [1.0, 1.0], [1.0, 3.0]])
    features.requires_grad_()

    loss = class_repulsion(features, labels, 4)
    loss.backward()

    assert loss.item() == pytest.approx(0.5)
    assert features.grad.isfinite().all()
    assert class_repulsion(*row([1, 2], [[1.0], [1.0]]), 3) == 0


def test_descending_repulsion_moves_means_apart() -> None:
    features, labels = row([1, 2], [[0.0], [1.0]])
    features.requires_grad_()

    class_repulsion(features, labels, 3).backward()

    assert features.grad[0, 0, 0].tolist() == pytest.approx([1.0, -1.0])


def test_sparsity_is_smallest_where_few_channels_are_large() -> None:
    dense, labels = row([1], [[1.0, 1.0, 1.0, 1.0]])
    one, _ = row([1], [[1.0, 0.0, 0.0, 0.0]])

    assert feature_sparsity(dense, labels, 2).item() == pytest.approx(math.e)
    assert feature_sparsity(one, labels, 2).item() == pytest.approx(math.e + 3)
    weak, two = row([1, 1], [[4.0, 4.0], [1.0, 1.0]])
    assert feature_sparsity(weak, two, 2).item() == pytest.approx((math.e + math.exp(0.25) / 0.25) / 2)


def test_positions_without_a_positive_feature_do_not_count() -> None:
    features, labels = row([1, 1, 2], [[2.0, 2.0], [-1.0, 0.0], [-3.0, -3.0]])

    assert feature_sparsity(features, labels, 3).item() == pytest.approx(math.e)
    assert feature_sparsity(-features.abs(), labels, 3) == 0


@given(seeds, st.floats(0, 2))
def test_similarity_is_a_softmax_of_cosines_over_known_classes(seed: int, threshold: float) -> None:
    random = torch.Generator().manual_seed(seed)
    new, old = normal((2, 3), random), normal((4, 3), random)
    known = torch.tensor([True, False, True, True])

    got = class_similarity(new, old, known, threshold)

    want = reference.class_similarity(new, old, known.tolist(), threshold)
    assert got.flatten().tolist() == pytest.approx([share for shares in want for share in shares], abs=1e-9)


def test_similar_classes_stay_and_others_become_zero() -> None:
    old = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    known = torch.tensor([True, True, True])

    got = class_similarity(torch.tensor([[3.0, 0.1]]), old, known, 1.0)

    assert (got > 0).tolist() == [[True, False, False]]
    assert class_similarity(torch.tensor([[3.0, 0.1]]), old, known, 0.0).sum().item() == pytest.approx(1)
    assert (class_similarity(torch.tensor([[3.0, 0.1]]), old, ~known) == 0).all()


@given(step_cases(), st.floats(0.5, 4))
def test_scores_of_similar_classes_are_distilled_at_new_pixels(case: StepCase, temperature: float) -> None:
    num_new = case.logits.shape[1] - case.num_old
    similarity = torch.rand(num_new, case.num_old, dtype=torch.float64)

    got = similarity_distillation(case.logits, case.old_logits, case.target, similarity, temperature)

    want = reference.similarity_distillation(case.logits, case.old_logits, case.target, similarity, temperature)
    assert got.item() == pytest.approx(want, rel=1e-9, abs=1e-12)


def test_without_a_new_pixel_there_is_nothing_to_distil() -> None:
    logits = torch.randn(1, 4, 2, 2, requires_grad=True)
    target = torch.tensor([[[0, 1], [2, IGNORE]]])

    loss = similarity_distillation(logits, torch.randn(1, 3, 2, 2), target, torch.ones(1, 3))
    loss.backward()

    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_scores_of_new_classes_are_not_distilled() -> None:
    logits, target = torch.randn(1, 4, 2, 2, requires_grad=True), torch.full((1, 2, 2), 3)

    similarity_distillation(logits, torch.randn(1, 3, 2, 2), target, torch.ones(1, 3)).backward()

    assert (logits.grad[:, 3] == 0).all()
    assert (logits.grad[:, :3] != 0).all()
