"""Which pixels count, and what background means at a step after the first.

In the labels of such a step background hides the old classes, so the unbiased form of a loss is the same loss on
folded scores and folded labels: background and old classes as one class, then the new classes (Cermelli et al., CVPR
2020, arXiv:2002.00718, eq. 3).

    num_old   outputs of the previous model, background included; 1 folds nothing
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.labels import BACKGROUND, IGNORE
from saticl.losses.precision import full_precision
from saticl.losses.shares import share, total
from saticl.types import Labels, Logits, Scalar


@full_precision
def masked_mean(values: Tensor, valid: Tensor) -> Scalar:
    """Mean of `values` where `valid`; 0, still in the graph, where nothing is.

    Args:
        values: any shape.
        valid: bool, of a shape that broadcasts to that of `values`.
    """
    repeats = values.numel() // max(valid.numel(), 1)
    return share(values.where(valid, 0).sum()) / (total(valid.sum()) * repeats).clamp(min=1)


@full_precision
def fold_old(logits: Logits, num_old: int) -> Logits:
    """Merge background and old classes into one score: log Σ_{k < num_old} exp(logits_k).

    [B, K, H, W] -> [B, 1 + K - num_old, H, W]; log Σ exp over the classes is unchanged, so the softmax of the result
    holds the summed probability of the merged classes.
    """
    if num_old == 1:
        return logits
    merged = logits[:, :num_old].logsumexp(1, keepdim=True)
    return torch.cat([merged, logits[:, num_old:]], dim=1)


@full_precision
def fold_new(logits: Logits, num_old: int) -> Logits:
    """Merge background and new classes into one score: [B, K, H, W] -> [B, num_old, H, W].

    A pixel that the previous model calls background may belong to a new class (arXiv:2002.00718, eq. 8).
    """
    hidden = torch.cat([logits[:, :1], logits[:, num_old:]], dim=1).logsumexp(1, keepdim=True)
    return torch.cat([hidden, logits[:, 1:num_old]], dim=1)


def fold_target(target: Labels, num_old: int) -> Labels:
    """Labels that fit `fold_old`: old classes become background, new ones move down, IGNORE stays."""
    target = target.long()
    if num_old == 1:
        return target
    folded = (target - (num_old - 1)).clamp_(min=BACKGROUND)
    return folded.masked_fill_(target == IGNORE, IGNORE)


def nearest_labels(target: Labels, size: Sequence[int]) -> Labels:
    """Labels at the positions of a smaller map, each that of the nearest pixel: [B, H, W] -> [B, h, w]."""
    return F.interpolate(target[:, None].float(), tuple(size), mode="nearest")[:, 0].long()


def fold_weight(weight: Tensor | None, num_old: int) -> Tensor | None:
    """Weights per output index [K] that fit `fold_old`: the background's, then those of the new classes."""
    return weight if weight is None or num_old == 1 else torch.cat([weight[:1], weight[num_old:]])
