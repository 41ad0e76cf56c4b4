"""Losses that compare areas of whole classes instead of pixels, over all labelled pixels of the batch at once.

    q_k   student's probability of class k          [B, H, W]
    l_k   1 where the label is k, else 0            [B, H, W]
    V_k   labelled pixels of class k: Σ l_k

Classes without a labelled pixel in the batch have no area to overlap with: they are left out of means over classes.
With `num_old` above 1 the same on folded scores and labels (`masking.py`).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from saticl.labels import IGNORE
from saticl.losses.masking import fold_old, fold_target, fold_weight
from saticl.losses.precision import full_precision
from saticl.losses.shares import total
from saticl.types import Labels, Logits, Scalar


class Areas(NamedTuple):
    """Probabilities and labels of the folded classes, both 0 at ignored pixels."""

    valid: Tensor
    """[B, 1, H, W] bool."""
    is_class: Tensor
    """[B, K, H, W] bool: l."""
    probability: Tensor
    """[B, K, H, W]: q."""
    volume: Tensor
    """[K]: V."""


@full_precision
def tversky(
    logits: Logits,
    target: Labels,
    num_old: int = 1,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
    weight: Tensor | None = None,
) -> Scalar:
    """Tversky loss: mean over present classes of (1 - TP / (TP + alpha FP + beta FN))^gamma, with soft counts.

    Salehi, Erdogmus, Gholipour, MLMI 2017, arXiv:1706.05721: TP = Σ q l, FP = Σ q (1 - l), FN = Σ (1 - q) l.
    alpha = beta = 0.5 is the Dice loss, 1 the Jaccard loss. A gamma other than 1 focuses as in Abraham and Khan, ISBI
    2019, arXiv:1810.07842 (their exponent is 1 / gamma).

    Args:
        logits: [B, K, H, W].
        target: [B, H, W].
        num_old: outputs to see as one background; 1 is the plain loss.
        alpha: weight of false positives.
        beta: weight of false negatives.
        gamma: exponent on each class's loss.
        weight: [K] per output index, for a weighted mean over classes.
    """
    areas = _areas(logits, target, num_old)
    hit = _per_class(areas.probability.where(areas.is_class, 0))
    wrong = alpha * _per_class(areas.probability.where(~areas.is_class, 0))
    wrong = wrong + beta * _per_class((1 - areas.probability).where(areas.is_class, 0))
    loss = _ratio(wrong, hit + wrong)
    if gamma != 1:
        # below 1 the slope at 0 is infinite: the smallest positive number stands in for a perfect class
        loss = loss.clamp(min=torch.finfo(loss.dtype).tiny).pow(gamma)
    share = _class_weights(weight, num_old, areas)
    return _ratio((share * loss).sum(), share.sum())


@full_precision
def tanimoto(logits: Logits, target: Labels, num_old: int = 1, weight: Tensor | None = None) -> Scalar:
    """Tanimoto loss with complement: 1 - (T(q, l) + T(1 - q, 1 - l)) / 2.

    Diakogiannis, Waldner, Caccetta, Wu: ResUNet-a, ISPRS Journal 2020, arXiv:1904.00592:

        T(q, l) = Σ_k w_k Σ q_k l_k / Σ_k w_k Σ (q_k² + l_k² - q_k l_k),    w_k = 1 / V_k²

    so that small classes count as much as large ones; in the complement w is taken from the volumes of 1 - l. Classes
    with volume 0 have weight 0. Deviation: volumes are those of the whole batch.

    Args:
        logits: [B, K, H, W].
        target: [B, H, W].
        num_old: outputs to see as one background; 1 is the plain loss.
        weight: [K] per output index, a factor on w.
    """
    areas = _areas(logits, target, num_old)
    label, pixels = areas.is_class.to(logits.dtype), areas.volume.sum()
    # q² + l² - q l = (q - l)² + q l: 1 - T needs no difference of large sums. (q - l)² is its own complement.
    error = _per_class((areas.probability - label).square())
    common = _per_class(areas.probability.where(areas.is_class, 0))
    neither = _per_class((1 - areas.probability).where(areas.valid & ~areas.is_class, 0))
    factor = fold_weight(weight, num_old)
    loss = _one_minus_tanimoto(error, common, _volume_weights(areas.volume, pixels, factor))
    complement = _one_minus_tanimoto(error, neither, _volume_weights(pixels - areas.volume, pixels, factor))
    return (loss + complement) / 2


def _areas(logits: Logits, target: Labels, num_old: int) -> Areas:
    folded, target = fold_old(logits, num_old), fold_target(target, num_old)[:, None]
    valid = target != IGNORE
    is_class = target == torch.arange(folded.shape[1], device=folded.device).view(-1, 1, 1)
    volume = _per_class(is_class).to(folded.dtype)
    return Areas(valid, is_class, folded.softmax(1).where(valid, 0), volume)


def _per_class(values: Tensor) -> Tensor:
    return total(values.sum((0, 2, 3)))


def _class_weights(weight: Tensor | None, num_old: int, areas: Areas) -> Tensor:
    """[K] weights of the folded classes, 0 for those without a pixel."""
    present = (areas.volume > 0).to(areas.probability.dtype)
    weight = fold_weight(weight, num_old)
    return present if weight is None else present * weight.to(present.dtype)


def _volume_weights(volume: Tensor, pixels: Tensor, factor: Tensor | None) -> Tensor:
    """1 / V² relative to that of the whole batch, 0 for classes without volume: the scale cancels in T."""
    weights = (pixels / volume.clamp(min=1)).square().where(volume > 0, 0)
    return weights if factor is None else weights * factor


def _one_minus_tanimoto(error: Tensor, common: Tensor, weights: Tensor) -> Scalar:
    wrong = (weights * error).sum()
    return _ratio(wrong, wrong + (weights * common).sum())


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Part / whole, and 0 where there is no whole."""
    return part / whole.where(whole > 0, 1)
