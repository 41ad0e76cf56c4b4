"""Losses with one sigmoid per class, and distances of class centres, place by place in plain Python numbers."""

import math
from collections.abc import Sequence

from torch import Tensor

from tests.reference.losses import IGNORE, label_at, mean, places, scores_at, sigmoid


def binary(score: float, label: float, pos_weight: float = 1.0) -> float:
    """Cross entropy of one class against all else."""
    p = sigmoid(score)
    return -pos_weight * label * math.log(p) - (1 - label) * math.log(1 - p)


def class_bce(scores: Tensor, target: Tensor, classes: Sequence[int], pos_weight: float) -> float:
    """Summed over classes, mean over labelled pixels."""
    losses = []
    for place in places(target):
        label = label_at(target, place)
        if label != IGNORE:
            here = zip(scores_at(scores, place), classes, strict=True)
            losses.append(sum(binary(score, label == index, pos_weight) for score, index in here))
    return mean(losses)


def absence(scores: Tensor, valid: Tensor) -> float:
    """Against 0: summed over classes, mean over the places that count."""
    return mean([sum(binary(z, 0) for z in scores_at(scores, place)) for place in places(valid) if valid[place]])


def presence_margin(scores: Tensor, valid: Tensor) -> float:
    """How much nearer to 0 than to 1, squared."""
    probabilities = [sigmoid(float(scores[place])) for place in places(valid) if valid[place]]
    return mean([max(0.0, (p - 1) ** 2 - p**2) for p in probabilities])


def unit(vector: Sequence[float]) -> list[float]:
    """Of length 1."""
    length = math.sqrt(sum(value**2 for value in vector))
    return [value / length for value in vector]


def centre_repulsion(features: Tensor, labels: Tensor, classes: Sequence[int], prototypes: Tensor) -> float:
    """Inverse distance of each class's mean direction to the nearest prototype, mean over classes that are there."""
    found = []
    for index in classes:
        mine = [unit(one.tolist()) for one, label in zip(features, labels.tolist(), strict=True) if label == index]
        if mine and len(prototypes):
            centre = unit([mean([one[dim] for one in mine]) for dim in range(features.shape[1])])
            found.append(1 / min(math.dist(centre, prototype) for prototype in prototypes.tolist()))
    return mean(found)
