"""Losses on features, means of classes and rows of the classifier, number by number: nothing of the package."""

import math
from collections.abc import Sequence

from torch import Tensor

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
