"""Losses that look at one labelled pixel at a time.

    q   softmax of the student's logits [B, K, H, W]
    y   label of a pixel, an output index or IGNORE

With `num_old` above 1 they see background and old classes as one (`masking.py`): MiB's unbiased form.
"""

from typing import Literal, assert_never

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.labels import IGNORE
from saticl.losses.distillation import sigmoid_distillation
from saticl.losses.masking import fold_old, fold_target, fold_weight, masked_mean
from saticl.losses.precision import full_precision
from saticl.losses.shares import share, total
from saticl.losses.slices import by_slices
from saticl.types import Labels, Logits, Scalar


@full_precision
def cross_entropy(logits: Logits, target: Labels, num_old: int = 1, weight: Tensor | None = None) -> Scalar:
    """Mean of -log q(y) over labelled pixels; with `weight`, the mean weighted by the class of each pixel.

    Args:
        logits: [B, K, H, W].
        target: [B, H, W].
        num_old: outputs to see as one background; 1 is the plain loss.
        weight: [K] per output index.
    """
    loss, folded = _pixel_cross_entropy(logits, target, num_old)
    return _mean_by_class(loss, folded, fold_weight(weight, num_old))


@full_precision
def unbiased_cross_entropy(
    logits: Logits, target: Labels, num_old: int, reduction: Literal["valid", "all", "none"] = "valid"
) -> Tensor:
    """MiB's cross entropy: a background pixel may be any old class (arXiv:2002.00718, eq. 3).

    -log Σ_{k < num_old} q(k) where y is background or old, -log q(y) where y is new, 0 where y is ignored.

    Args:
        logits: [B, K, H, W].
        target: [B, H, W].
        num_old: outputs of the previous model.
        reduction: "valid" averages over labelled pixels, "all" over all (the authors' code), "none" gives [B, H, W].
    """
    loss, _ = _pixel_cross_entropy(logits, target, num_old)
    match reduction:
        case "valid":
            return masked_mean(loss, target != IGNORE)
        case "all":
            return loss.mean()
        case "none":
            return loss
    assert_never(reduction)


@full_precision
def focal(
    logits: Logits, target: Labels, num_old: int = 1, gamma: float = 2.0, weight: Tensor | None = None
) -> Scalar:
    """Focal loss: mean of -(1 - q(y))^gamma log q(y) over labelled pixels, which lowers the share of easy ones.

    Lin, Goyal, Girshick, He, Dollár: Focal Loss for Dense Object Detection, ICCV 2017, arXiv:1708.02002, eq. 4, over
    a softmax instead of one sigmoid. `weight` is its α, as a weighted mean like in `cross_entropy`, which is the same
    loss with gamma 0.
    """
    loss, folded = _pixel_cross_entropy(logits, target, num_old)
    # 1 - q(y) without cancellation. Below one, gamma has an infinite slope at 0, where the loss itself is 0: the
    # smallest positive number stands in for 0 so that the product stays finite.
    missing = (-torch.expm1(-loss)).clamp(min=torch.finfo(loss.dtype).tiny)
    return _mean_by_class(missing.pow(gamma) * loss, folded, fold_weight(weight, num_old))


@full_precision
def incremental_bce(
    logits: Logits, target: Labels, old_logits: Logits | None = None, importance: float = 10.0
) -> Scalar:
    """LwF-MC's loss: every class for itself, sigmoid against label, and old classes also against the teacher.

    Rebuffi et al., iCaRL, CVPR 2017, arXiv:1611.07725 (the LwF.MC baseline), for pixels as in MiB's code: binary cross
    entropy summed over classes and averaged over all pixels, ignored ones counting as 0; plus `importance` times that
    of the first K_old classes against sigmoid(old_logits), on every pixel.

    Args:
        logits: [B, K, H, W].
        target: [B, H, W].
        old_logits: [B, K_old, H, W]; None at step 0.
        importance: weight of the teacher's part.
    """
    classes = torch.arange(logits.shape[1], device=logits.device).view(-1, 1, 1)
    is_class = target[:, None] == classes
    # -log sigmoid(z) for the label's class, -log sigmoid(-z) for the others
    loss = -F.logsigmoid(torch.where(is_class, logits, -logits)).sum(1)
    labelled = loss.where(target != IGNORE, 0).mean()
    if old_logits is None:
        return labelled
    return labelled + importance * sigmoid_distillation(logits, old_logits)


@full_precision
def new_class_cross_entropy(logits: Logits, target: Labels, num_old: int) -> Scalar:
    """CIL's supervised term: mean of -log q(y) over pixels labelled with a new class; no other pixel counts.

    Klingner, Bär, Donn, Fingscheidt, ITSC 2020, arXiv:2005.06050. `unlabelled_distillation` takes the other pixels.
    """
    target = target.long()
    return cross_entropy(logits, target.masked_fill(target < num_old, IGNORE))


@full_precision
def class_balanced_cross_entropy(logits: Logits, target: Labels) -> Scalar:
    """Every labelled class weighs the same, whatever its area: 1/C Σ_k Σ_{y = k} -log q(y) / (n_k + n/2048).

    C is the number of classes that the batch is labelled with, n_k the number of pixels of class k in it, n that of
    all its pixels. A class on less than about 1/2048 of them weighs less, so that few pixels do not move the network.

    Args:
        logits: [B, K, H, W].
        target: [B, H, W].
    """
    loss, labels = _pixel_cross_entropy(logits, target, num_old=1)
    valid = labels != IGNORE
    index = labels.where(valid, logits.shape[1])
    counts = torch.zeros(logits.shape[1] + 1, dtype=torch.int64, device=logits.device)
    counts.scatter_add_(0, index.flatten(), torch.ones_like(index.flatten()))
    counts = total(counts)
    weights = (1 / (counts + counts.sum() / 2048)).to(loss.dtype)
    return share((weights[index] * loss).sum()) / (counts[:-1] > 0).sum().clamp(min=1)


def _pixel_cross_entropy(logits: Logits, target: Labels, num_old: int) -> tuple[Tensor, Labels]:
    """-log q(y) [B, H, W], 0 at ignored pixels, and the labels it was taken for, both folded."""
    folded = fold_target(target, num_old)

    def of_pixels(scores: Logits, labels: Labels) -> Tensor:
        # unreduced, because the reduced form adds up in any order on a GPU: two runs would differ
        return F.cross_entropy(fold_old(scores, num_old), labels, ignore_index=IGNORE, reduction="none")

    return by_slices(of_pixels, logits, folded), folded


def _mean_by_class(loss: Tensor, target: Labels, weight: Tensor | None) -> Scalar:
    """Mean over labelled pixels, each weighted by its class."""
    valid = target != IGNORE
    if weight is None:
        return masked_mean(loss, valid)
    weights = weight.to(loss.dtype)[target.where(valid, 0)].where(valid, 0)
    weight_of_all = total(weights.sum())
    return share((weights * loss).sum()) / weight_of_all.where(weight_of_all > 0, 1)
