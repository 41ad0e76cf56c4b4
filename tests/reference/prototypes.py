"""Losses on features, means of classes and rows of the classifier, number by number: nothing of the package."""

import math
from collections.abc import Sequence

from torch import Tensor

IGNORE = 255

Vector = list[float]


def mean(values: Sequence[float]) -> float:
    """Their mean, 0 of none."""
    return sum(values) / len(values) if values else 0.0


def cosine(a: Vector, b: Vector) -> float:
    """Of the angle between two vectors."""
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


def row_overlap(rows: Tensor, num_new: int) -> float:
    """Mean |cos| over new rows and all other rows."""
    vectors = rows.tolist()
    new = range(len(vectors) - num_new, len(vectors))
    return mean([abs(cosine(vectors[i], vectors[j])) for i in new for j in range(len(vectors)) if i != j])


def weighted_mse(a: Tensor, b: Tensor, weight: Tensor) -> float:
    """Mean over places with a weight of weight times the mean squared difference of channels."""
    batch, channels, height, width = a.shape
    values = []
    for image in range(batch):
        for row in range(height):
            for column in range(width):
                at = float(weight[image, row, column])
                if at > 0:
                    at_place = [float((a - b)[image, d, row, column]) for d in range(channels)]
                    values.append(at * mean([difference**2 for difference in at_place]))
    return mean(values)


def positions(labels: Tensor) -> list[tuple[int, int, int]]:
    """Every (image, row, column)."""
    batch, height, width = labels.shape
    return [(image, row, column) for image in range(batch) for row in range(height) for column in range(width)]


def feature_at(features: Tensor, place: tuple[int, int, int]) -> Vector:
    """The channels of one position."""
    image, row, column = place
    return [float(features[image, d, row, column]) for d in range(features.shape[1])]


def by_class(features: Tensor, labels: Tensor) -> dict[int, list[Vector]]:
    """Features of every label that is there, background among them, IGNORE not."""
    found: dict[int, list[Vector]] = {}
    for place in positions(labels):
        label = int(labels[place])
        if label != IGNORE:
            found.setdefault(label, []).append(feature_at(features, place))
    return found


def mean_of(vectors: list[Vector]) -> Vector:
    """Channel by channel."""
    return [mean(column) for column in zip(*vectors, strict=True)]


def mean_square(a: Vector, b: Vector) -> float:
    """Of the difference, over channels."""
    return mean([(x - y) ** 2 for x, y in zip(a, b, strict=True)])


def prototype_matching(features: Tensor, labels: Tensor, prototypes: Tensor) -> float:
    """Mean over classes of the distance of batch mean and prototype."""
    found = by_class(features, labels)
    return mean([mean_square(mean_of(found[c]), prototypes[c].tolist()) for c in found if c != 0])


def prototype_attraction(features: Tensor, labels: Tensor, prototypes: Tensor) -> float:
    """Mean over classes of the mean distance of their positions to the prototype."""
    found = by_class(features, labels)
    return mean([mean([mean_square(f, prototypes[c].tolist()) for f in found[c]]) for c in found if c != 0])


def class_repulsion(features: Tensor, labels: Tensor) -> float:
    """Mean over ordered pairs of classes of one over the distance of their means."""
    means = {c: mean_of(vectors) for c, vectors in by_class(features, labels).items() if c != 0}
    return mean([1 / math.dist(means[a], means[b]) for a in means for b in means if a != b])


def feature_sparsity(features: Tensor, labels: Tensor) -> float:
    """Mean over positions of Σ exp / Σ of the features divided by the largest of the class; negative ones are 0."""
    values = []
    for vectors in by_class(features, labels).values():
        largest = max(max(0.0, *vector) for vector in vectors)
        for vector in vectors:
            scaled = [max(0.0, x) / largest if largest > 0 else 0.0 for x in vector]
            if sum(scaled) > 0:
                values.append(sum(math.exp(x) for x in scaled) / sum(scaled))
    return mean(values)


def softmax(scores: Sequence[float]) -> list[float]:
    """Probabilities, by definition."""
    total = sum(math.exp(score) for score in scores)
    return [math.exp(score) / total for score in scores]


def class_similarity(new: Tensor, old: Tensor, known: Sequence[bool], threshold: float) -> list[Vector]:
    """For each new class the softmax of cosines over known old classes, small ones as 0."""
    there = [c for c, is_known in enumerate(known) if is_known]
    rows = []
    for vector in new.tolist():
        shares = softmax([cosine(vector, old[c].tolist()) for c in there])
        of = dict(zip(there, shares, strict=True))
        rows.append([of[c] if c in of and of[c] >= threshold / len(there) else 0.0 for c in range(len(old))])
    return rows


def similarity_distillation(
    logits: Tensor, old_logits: Tensor, target: Tensor, similarity: Tensor, temperature: float
) -> float:
    """T² times the mean over new pixels of -Σ r p log q over old classes."""
    num_old, values = old_logits.shape[1], []
    for place in positions(target):
        label = int(target[place])
        if label != IGNORE and label >= num_old:
            p = softmax([score / temperature for score in feature_at(old_logits, place)])
            q = softmax([score / temperature for score in feature_at(logits, place)[:num_old]])
            r = similarity[label - num_old].tolist()
            values.append(-sum(r[c] * p[c] * math.log(q[c]) for c in range(num_old)))
    return temperature**2 * mean(values)
