"""Losses pixel by pixel in plain Python numbers: nothing shared with the package, no vectors, no log-space tricks.

logits [B, K, H, W] and target [B, H, W] as in `saticl.losses`; every result is a Python float, or one per pixel.
"""

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

IGNORE = 255


def softmax(scores: Sequence[float]) -> list[float]:
    """Probabilities, by definition."""
    total = sum(math.exp(score) for score in scores)
    return [math.exp(score) / total for score in scores]


def sigmoid(score: float) -> float:
    """Probability of one class for itself."""
    return 1 / (1 + math.exp(-score))


def places(target: Tensor) -> Iterator[tuple[int, int, int]]:
    """Every (image, row, column)."""
    batch, height, width = target.shape
    for image in range(batch):
        for row in range(height):
            for column in range(width):
                yield image, row, column


def scores_at(logits: Tensor, place: tuple[int, int, int]) -> list[float]:
    """The scores of one pixel."""
    image, row, column = place
    return [float(logits[image, k, row, column]) for k in range(logits.shape[1])]


def label_at(target: Tensor, place: tuple[int, int, int]) -> int:
    """The label of one pixel."""
    return int(target[place])


def mean(values: Sequence[float]) -> float:
    """Mean, 0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def probability_of_label(scores: list[float], label: int, num_old: int) -> float:
    """q(y), where background stands for all of the first `num_old` classes."""
    q = softmax(scores)
    return sum(q[:num_old]) if label < num_old else q[label]


def unbiased_cross_entropy_map(logits: Tensor, target: Tensor, num_old: int) -> list[float]:
    """-log q(y) per pixel, 0 where ignored."""
    losses = []
    for place in places(target):
        label = label_at(target, place)
        is_ignored = label == IGNORE
        losses.append(0.0 if is_ignored else -math.log(probability_of_label(scores_at(logits, place), label, num_old)))
    return losses


def focal(
    logits: Tensor, target: Tensor, num_old: int = 1, gamma: float = 0.0, weight: Sequence[float] | None = None
) -> float:
    """Σ w (1 - q(y))^gamma (-log q(y)) / Σ w over labelled pixels; with gamma 0 weighted cross entropy."""
    losses, weights = [], []
    for place in places(target):
        label = label_at(target, place)
        if label == IGNORE:
            continue
        q = probability_of_label(scores_at(logits, place), label, num_old)
        factor = 1.0 if weight is None else weight[0 if label < num_old else label]
        losses.append(factor * (1 - q) ** gamma * -math.log(q))
        weights.append(factor)
    return sum(losses) / sum(weights) if weights else 0.0


def incremental_bce(logits: Tensor, target: Tensor, old_logits: Tensor | None, importance: float) -> float:
    """Sigmoid per class against the label, plus the same against the teacher."""
    losses = []
    for place in places(target):
        label = label_at(target, place)
        scores = scores_at(logits, place)
        loss = 0.0
        if label != IGNORE:
            for k, score in enumerate(scores):
                loss -= math.log(sigmoid(score)) if k == label else math.log(1 - sigmoid(score))
        if old_logits is not None:
            for score, old_score in zip(scores, scores_at(old_logits, place), strict=False):
                p, q = sigmoid(old_score), sigmoid(score)
                loss -= importance * (p * math.log(q) + (1 - p) * math.log(1 - q))
        losses.append(loss)
    return mean(losses)


def distillation(logits: Tensor, old_logits: Tensor, alpha: float) -> float:
    """-1/K_old Σ p log q, q among the old classes."""
    num_old = old_logits.shape[1]
    losses = []
    for place in places(logits[:, 0]):
        p = softmax([alpha * score for score in scores_at(old_logits, place)])
        q = softmax(scores_at(logits, place)[:num_old])
        losses.append(-sum(p[k] * math.log(q[k]) for k in range(num_old)) / num_old)
    return mean(losses)


def unbiased_distillation(logits: Tensor, old_logits: Tensor, alpha: float) -> float:
    """-1/K_old Σ p log q, q(0) being the probability of background or a new class."""
    num_old = old_logits.shape[1]
    losses = []
    for place in places(logits[:, 0]):
        p = softmax([alpha * score for score in scores_at(old_logits, place)])
        q = softmax(scores_at(logits, place))
        q[0] += sum(q[num_old:])
        losses.append(-sum(p[k] * math.log(q[k]) for k in range(num_old)) / num_old)
    return mean(losses)


def label_guided_targets(old_scores: list[float], label: int, num_classes: int) -> list[float]:
    """What LGKD asks of a pixel: the teacher's probabilities, its background handed to a new label."""
    target = softmax(old_scores) + [0.0] * (num_classes - len(old_scores))
    if label >= len(old_scores):
        target[label], target[0] = target[0], 0.0
    return target


def label_guided_distillation(
    logits: Tensor, old_logits: Tensor, target: Tensor, previous: float, novel: float
) -> float:
    """Cross entropy against those targets, weighted by kind of pixel."""
    losses = []
    for place in places(target):
        label = label_at(target, place)
        if label == IGNORE:
            continue
        q = softmax(scores_at(logits, place))
        wanted = label_guided_targets(scores_at(old_logits, place), label, len(q))
        factor = novel if label >= old_logits.shape[1] else previous
        losses.append(-factor * sum(t * math.log(probability) for t, probability in zip(wanted, q, strict=True)))
    return mean(losses)


def new_class_cross_entropy(logits: Tensor, target: Tensor, num_old: int) -> float:
    """-log q(y) where y is new."""
    losses = []
    for place in places(target):
        label = label_at(target, place)
        if num_old <= label < IGNORE:
            losses.append(-math.log(softmax(scores_at(logits, place))[label]))
    return mean(losses)


def class_balanced_cross_entropy(logits: Tensor, target: Tensor) -> float:
    """For each class of the labels the sum of -log q(y) over its pixels / (their number + 1/2048 of the batch)."""
    least = target.numel() / 2048
    of_class: dict[int, list[float]] = {}
    for place in places(target):
        label = label_at(target, place)
        if label != IGNORE:
            of_class.setdefault(label, []).append(-math.log(softmax(scores_at(logits, place))[label]))
    return mean([sum(losses) / (len(losses) + least) for losses in of_class.values()])


def joint_cross_entropy(
    logits: Tensor, old_logits: Tensor, target: Tensor, weights: Sequence[float], favour_rare: float
) -> float:
    """Mean over pixels of -w t log q, where q is the softmax of z + (1 - f) log w."""
    losses = []
    for place in places(target):
        label, scores = label_at(target, place), scores_at(logits, place)
        if label == IGNORE:
            continue
        shares = {label: 1.0} if label != 0 else dict(enumerate(softmax(scores_at(old_logits, place))))
        moved = zip(scores, weights, strict=True)
        q = softmax([score + (1 - favour_rare) * math.log(weight) for score, weight in moved])
        losses.append(sum(-weights[index] * share * math.log(q[index]) for index, share in shares.items()))
    return mean(losses)


def joint_pixels(old_logits: Tensor, target: Tensor, num_classes: int) -> list[float]:
    """How many pixels show a class, by their label, or by the teacher where that is background."""
    pixels = [0.0] * num_classes
    for place in places(target):
        label = label_at(target, place)
        says = {label: 1.0} if label != 0 else dict(enumerate(softmax(scores_at(old_logits, place))))
        for index, share in says.items():
            if index != IGNORE:
                pixels[index] += share
    return pixels


def unlabelled_distillation(
    logits: Tensor, old_logits: Tensor, target: Tensor, entropy_weight: float, temperature: float
) -> float:
    """T² mean of -(1 + λ H(p)) Σ p log q where there is no label."""
    losses = []
    for place in places(target):
        if label_at(target, place) != IGNORE:
            continue
        p = softmax([score / temperature for score in scores_at(old_logits, place)])
        q = softmax([score / temperature for score in scores_at(logits, place)])
        entropy = -sum(probability * math.log2(probability) for probability in p)
        losses.append(-(1 + entropy_weight * entropy) * sum(p[k] * math.log(q[k]) for k in range(len(p))))
    return temperature**2 * mean(losses)


def soft_areas(logits: Tensor, target: Tensor) -> list[list[tuple[float, int]]]:
    """For every class the pairs (probability, is this class) of all labelled pixels."""
    pairs: list[list[tuple[float, int]]] = [[] for _ in range(logits.shape[1])]
    for place in places(target):
        label = label_at(target, place)
        if label != IGNORE:
            for k, probability in enumerate(softmax(scores_at(logits, place))):
                pairs[k].append((probability, int(k == label)))
    return pairs


def tversky(logits: Tensor, target: Tensor, alpha: float, beta: float, gamma: float, weight: Sequence[float]) -> float:
    """Weighted mean of (1 - TP / (TP + alpha FP + beta FN))^gamma over classes that have a pixel."""
    total, shares = 0.0, 0.0
    for k, pairs in enumerate(soft_areas(logits, target)):
        if not any(label for _, label in pairs):
            continue
        hit = sum(q * label for q, label in pairs)
        false_positive = sum(q * (1 - label) for q, label in pairs)
        false_negative = sum((1 - q) * label for q, label in pairs)
        index = hit / (hit + alpha * false_positive + beta * false_negative)
        total += weight[k] * (1 - index) ** gamma
        shares += weight[k]
    return total / shares if shares else 0.0


def tanimoto_coefficient(areas: list[list[tuple[float, int]]], weight: Sequence[float]) -> float:
    """Σ w Σ q l / Σ w Σ (q² + l² - q l), w being `weight` / V²."""
    above, below = 0.0, 0.0
    for k, pairs in enumerate(areas):
        volume = sum(label for _, label in pairs)
        if volume:
            above += weight[k] / volume**2 * sum(q * label for q, label in pairs)
            below += weight[k] / volume**2 * sum(q * q + label * label - q * label for q, label in pairs)
    return above / below if below else 1.0


def tanimoto(logits: Tensor, target: Tensor, weight: Sequence[float]) -> float:
    """One minus the mean of the coefficient and that of the complement."""
    areas = soft_areas(logits, target)
    complement = [[(1 - q, 1 - label) for q, label in pairs] for pairs in areas]
    return 1 - (tanimoto_coefficient(areas, weight) + tanimoto_coefficient(complement, weight)) / 2


def local_pod_distance(old: Tensor, new: Tensor, scales: Sequence[int]) -> float:
    """Norm of the differences of strip means, region by region; sides must be multiples of the scales."""
    batch, channels, height, width = old.shape
    distances = []
    for image in range(batch):
        total = 0.0
        for scale in scales:
            high, wide = height // scale, width // scale
            for channel in range(channels):
                for top in range(0, high * scale, high):
                    for left in range(0, wide * scale, wide):
                        window = (slice(top, top + high), slice(left, left + wide))
                        a = old[image, channel][window].tolist()
                        b = new[image, channel][window].tolist()
                        total += sum((_mean_square(x) - _mean_square(y)) ** 2 for x, y in zip(a, b, strict=True))
                        columns = zip(zip(*a, strict=True), zip(*b, strict=True), strict=True)
                        total += sum((_mean_square(x) - _mean_square(y)) ** 2 for x, y in columns)
        distances.append(math.sqrt(total))
    return mean(distances)


def _mean_square(values: Sequence[float]) -> float:
    return mean([value * value for value in values])
