"""The supervised loss of `--ce.name`, ready to be called by a method, and class weights from pixel counts."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from saticl.labels import BACKGROUND, IGNORE, UNLABELLED
from saticl.losses import cross_entropy, focal, tanimoto, tversky
from saticl.methods.base import Criterion
from saticl.options import CEOptions
from saticl.tasks import Table, Task
from saticl.tiles.index import Tile
from saticl.types import Labels, Logits, Scalar


def build_criterion(options: CEOptions, weight: Tensor | None = None) -> Criterion:
    """The loss with its options bound; `weight` [K] is per output index."""
    match options.name:
        case "focal":
            return partial(focal, gamma=options.gamma, weight=weight)
        case "tversky":
            return partial(tversky, alpha=options.alpha, beta=options.beta, gamma=options.gamma, weight=weight)
        case "tanimoto":
            return partial(tanimoto, weight=weight)
        case _:
            return partial(cross_entropy, weight=weight)


def with_all_labels(criterion: Criterion) -> Criterion:
    """The loss for a step without new classes: labels name all known classes, and background hides none of them."""

    def of(logits: Logits, target: Labels, num_old: int = 1) -> Scalar:
        return criterion(logits, target)

    return of


def with_old_labels(criterion: Criterion, weight: Tensor | None = None) -> Criterion:
    """The loss for labels in which some old classes are named.

    Where background and old classes are seen as one, a pixel labelled as one of the old classes still counts with the
    probability of that class. The loss is taken of these pixels and of all others, and both parts count with the sum
    of the weights of their pixels (`weight` [K], that of the criterion; None: 1). For cross entropy and focal loss,
    which are means over pixels, this is the mean over all; without such labels nothing changes.
    """

    def of(logits: Logits, target: Labels, num_old: int = 1) -> Scalar:
        if num_old == 1:
            return criterion(logits, target)
        is_old = (target > BACKGROUND) & (target < num_old)
        hidden = criterion(logits, target.masked_fill(is_old, IGNORE), num_old)
        named = criterion(logits, target.masked_fill(~is_old, IGNORE))
        counted = _weight_of_pixels(target, weight).to(hidden.dtype)
        total = counted.sum()
        share = counted.where(is_old, 0).sum() / total.where(total > 0, 1)
        return (1 - share) * hidden + share * named

    return of


def _weight_of_pixels(target: Labels, weight: Tensor | None) -> Tensor:
    """What every pixel [B, H, W] counts: the weight of its label, 0 where it is ignored."""
    labelled = target != IGNORE
    return labelled.float() if weight is None else weight[target.long().where(labelled, 0)].where(labelled, 0)


def balanced_weights(tiles: Sequence[Tile], task: Task, table: Table) -> Tensor:
    """Weights [K] that fall with the square root of a label's pixels, as the step's labels show them.

    Old classes hide in the background and are no label of this step, so nothing is known of their pixels: their weight
    is 1. It counts where a method labels old classes itself (PLOP, LGKD, HCISS). Over the labelled pixels the weights
    average 1, so that the learning rate keeps its meaning.
    """
    pixels = np.zeros(task.num_seen)
    for label in range(len(task.classes)):
        if table[label] != IGNORE:
            pixels[table[label]] += sum(tile.counts[label] for tile in tiles)
    if table[UNLABELLED] != IGNORE:
        pixels[table[UNLABELLED]] += sum(tile.unlabelled for tile in tiles)
    if table[IGNORE] != IGNORE:
        pixels[table[IGNORE]] += sum(tile.ignored for tile in tiles)
    present = pixels > 0
    weights = np.ones(task.num_seen)
    weights[present] = pixels[present] ** -0.5
    weights[present] *= pixels.sum() / (weights * pixels).sum()
    return torch.tensor(weights, dtype=torch.float32)
