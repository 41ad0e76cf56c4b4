"""Relations between positions, against loops over every pair."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from saticl.losses import (
    attended_mse,
    centre_repulsion,
    pixel_contrast,
    prototype_distillation,
    relation_distillation,
)
from tests.reference import sigmoid
from tests.reference.losses import softmax
from tests.strategies import IGNORE, feature_pairs, normal, seeds

Vector = list[float]


def cosine(a: Vector, b: Vector) -> float:
    norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / norms


def divergence(p: Vector, q: Vector) -> float:
    return sum(x * math.log(x / y) for x, y in zip(p, q, strict=True))


def places(features: Tensor) -> list[list[Vector]]:
    """Positions of each image."""
    return features.flatten(2).movedim(1, 2).tolist()


@given(feature_pairs())
def test_relations_to_every_image_are_compared_row_by_row(pair: tuple[Tensor, Tensor]) -> None:
    old, new = (places(features) for features in pair)
    values = [
        divergence(
            softmax([cosine(old[m][a], b) / 0.5 for b in old[n]]),
            softmax([cosine(new[m][a], b) / 0.5 for b in new[n]]),
        )
        for m in range(len(old))
        for n in range(len(old))
        for a in range(len(old[m]))
    ]

    got = relation_distillation(pair[1], pair[0], temperature=0.5)

    assert got.item() == pytest.approx(sum(values) / len(values), abs=1e-9)


@st.composite
def labelled_positions(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(draw(seeds))
    count = draw(st.integers(1, 8))
    labels = torch.randint(4, (count,), generator=random)
    ignored = torch.rand(count, generator=random) < 0.2
    return normal((count, 3), random), normal((count, 3), random), labels.masked_fill(ignored, IGNORE)


@given(labelled_positions())
def test_contrast_draws_positives_before_each_negative(case: tuple[Tensor, Tensor, Tensor]) -> None:
    z, labels = case[0].tolist(), case[2].tolist()
    values = []
    for a, label in enumerate(labels):
        positives = [j for j in range(len(z)) if j != a and labels[j] == label and label not in (0, IGNORE)]
        negatives = [j for j in range(len(z)) if labels[j] not in (label, IGNORE)]
        if positives and negatives:
            score = [math.exp(cosine(z[a], other) / 0.5) for other in z]
            against = sum(score[n] for n in negatives)
            values.append(-sum(math.log(score[p] / (score[p] + against)) for p in positives) / len(positives))

    got = pixel_contrast(case[0], case[2], temperature=0.5)

    assert got.item() == pytest.approx(sum(values) / len(values) if values else 0.0, abs=1e-9)


@given(labelled_positions())
def test_relations_to_prototypes_are_compared_over_the_classes_present(case: tuple[Tensor, Tensor, Tensor]) -> None:
    labels = case[2].tolist()
    present = sorted(set(labels) - {0, IGNORE})

    def similarities(features: Tensor) -> list[Vector]:
        z = [[x / math.sqrt(sum(y * y for y in row)) for x in row] for row in features.tolist()]
        members = {k: [row for row, label in zip(z, labels, strict=True) if label == k] for k in present}
        means = {k: [sum(column) / len(rows) for column in zip(*rows, strict=True)] for k, rows in members.items()}
        return [softmax([cosine(row, means[k]) / 0.5 for k in present]) for row in z]

    new, old = similarities(case[0]), similarities(case[1])
    values = [divergence(p, q) for p, q in zip(old, new, strict=True)] if present else [0.0]

    got = prototype_distillation(case[0], case[1], case[2], num_classes=4, temperature=0.5)

    assert got.item() == pytest.approx(sum(values) / len(values), abs=1e-9)


@given(feature_pairs(), st.integers(0, 2**31))
def test_attended_features_are_a_weighted_mean(pair: tuple[Tensor, Tensor], seed: int) -> None:
    a, b = pair
    attention = torch.rand(a[:, 0].shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    want = (attention[:, None] * (a - b) ** 2).sum() / attention.sum() / a.shape[1]

    torch.testing.assert_close(attended_mse(a, b, attention), want)
    assert attended_mse(a, b, torch.zeros_like(attention)).item() == 0


@given(labelled_positions(), st.integers(0, 3), seeds)
def test_centres_of_classes_keep_away_from_the_nearest_prototype(
    case: tuple[Tensor, Tensor, Tensor], number: int, seed: int
) -> None:
    prototypes = normal((number, case[0].shape[1]), torch.Generator().manual_seed(seed))
    prototypes = torch.nn.functional.normalize(prototypes, dim=1)

    got = centre_repulsion(case[0], case[2], (1, 2), prototypes)

    want = sigmoid.centre_repulsion(case[0], case[2], (1, 2), prototypes)
    assert got.item() == pytest.approx(min(want, 1e3) if want else 0.0, rel=1e-6)


def test_a_centre_on_a_prototype_stays_finite() -> None:
    features = torch.tensor([[2.0, 0.0], [1.0, 0.0]], requires_grad=True)

    loss = centre_repulsion(features, torch.tensor([1, 1]), (1,), torch.tensor([[1.0, 0.0]]))
    loss.backward()

    assert loss.item() == pytest.approx(1e3)
    assert features.grad.isfinite().all()
