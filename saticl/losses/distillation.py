"""Losses that compare scores with those of the previous model.

    p   softmax of the teacher's logits [B, K_old, H, W]
    q   softmax of the student's logits [B, K, H, W], K_old <= K

All are cross entropies, not divergences: at q = p they equal the teacher's entropy, not 0.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.labels import IGNORE
from saticl.losses.masking import fold_new, masked_mean
from saticl.losses.precision import full_precision
from saticl.losses.slices import by_slices
from saticl.types import Labels, Logits, Scalar


@full_precision
def distillation(logits: Logits, old_logits: Logits, alpha: float = 1.0) -> Scalar:
    """LwF's soft labels: mean over pixels and old classes of -p log q, with q over the old classes alone.

    Li, Hoiem: Learning without Forgetting, ECCV 2016, arXiv:1606.09282, for pixels as in MiB's code; ILT uses the
    same. All pixels count, labelled or not.

    Args:
        logits: [B, K, H, W]; only the first K_old channels are read.
        old_logits: [B, K_old, H, W].
        alpha: factor on the teacher's logits; above 1 hardens its labels.
    """
    return _soft_labels(logits, old_logits, alpha, lambda scores, num_old: scores[:, :num_old])


@full_precision
def unbiased_distillation(logits: Logits, old_logits: Logits, alpha: float = 1.0) -> Scalar:
    """MiB's soft labels: as `distillation`, with the student's background and new classes taken together.

    Cermelli et al., CVPR 2020, arXiv:2002.00718, eq. 8: what is background for the teacher may be a new class.
    Deviation: averaged over the old classes, as in the authors' code.
    """
    return _soft_labels(logits, old_logits, alpha, fold_new)


@full_precision
def sigmoid_distillation(logits: Logits, old_logits: Logits) -> Scalar:
    """Binary cross entropy of the old classes against the teacher's sigmoids: summed over classes, mean over pixels.

    Rebuffi et al., iCaRL, CVPR 2017, arXiv:1611.07725 (the LwF.MC baseline). All pixels count, labelled or not.

    Args:
        logits: [B, K, H, W]; only the first K_old channels are read.
        old_logits: [B, K_old, H, W].
    """
    num_old = old_logits.shape[1]
    return num_old * F.binary_cross_entropy_with_logits(logits[:, :num_old], old_logits.sigmoid())


@full_precision
def label_guided_distillation(
    logits: Logits, old_logits: Logits, target: Labels, previous: float = 1.0, novel: float = 1.0
) -> Scalar:
    """LGKD: the teacher's labels, with its background moved to the true class where that is new.

    Yang et al., ICCV 2023, Label-Guided Knowledge Distillation for Continual Semantic Segmentation. Per labelled pixel
    -Σ_k t(k) log q(k) with q over all K classes and t = p, except that where y is new t(y) = p(0) and t(0) = 0.
    The mean over labelled pixels weighs the others by `previous` and new ones by `novel`.

    Args:
        logits: [B, K, h, w], published at the network's own resolution.
        old_logits: [B, K_old, h, w].
        target: [B, h, w], of the same size.
        previous: weight of pixels labelled background or old.
        novel: weight of pixels labelled with a new class.
    """
    target = target.long()
    num_old = old_logits.shape[1]
    is_novel = target >= num_old
    receiver = target.where(is_novel, 0)  # the class that takes the teacher's background; IGNORE >= num_old stays

    def of_pixels(scores: Logits, old_scores: Logits, receiver: Labels) -> Tensor:
        log_student, teacher = scores.log_softmax(1), old_scores.softmax(1)
        moved = teacher[:, 0] * F.nll_loss(log_student, receiver, ignore_index=IGNORE, reduction="none")
        return moved - (teacher[:, 1:] * log_student[:, 1:num_old]).sum(1)

    loss = by_slices(of_pixels, logits, old_logits, receiver)
    return masked_mean(torch.where(is_novel, novel, previous) * loss, target != IGNORE)


@full_precision
def unlabelled_distillation(
    logits: Logits, old_logits: Logits, target: Labels, entropy_weight: float = 1.0, temperature: float = 1.0
) -> Scalar:
    """CIL's distillation on pixels without a label (IGNORE): T² times the mean of -w Σ_{k < K_old} p(k) log q(k).

    Klingner, Bär, Donn, Fingscheidt, ITSC 2020, arXiv:2005.06050. There is no background: q spans all K classes, so
    new ones are pushed down here. Both softmaxes divide by the temperature T. w = 1 + entropy_weight · entropy of p in
    bits: pixels of which the teacher is unsure count more.

    Args:
        logits: [B, K, H, W].
        old_logits: [B, K_old, H, W].
        target: [B, H, W]; the labelled pixels belong to `new_class_cross_entropy`.
        entropy_weight: λ_GS, at least 0.
        temperature: T, above 0.
    """

    def of_pixels(scores: Logits, old_scores: Logits) -> Tensor:
        teacher = _softmax(old_scores, 1 / temperature)
        log_student = (scores / temperature).log_softmax(1)[:, : old_scores.shape[1]]
        entropy = torch.special.entr(teacher).sum(1) / math.log(2)
        loss: Tensor = (1 + entropy_weight * entropy) * -(teacher * log_student).sum(1)
        return loss

    return temperature**2 * masked_mean(by_slices(of_pixels, logits, old_logits), target == IGNORE)


def _soft_labels(logits: Logits, old_logits: Logits, alpha: float, old_of: Callable[[Logits, int], Logits]) -> Scalar:
    """Mean over pixels and old classes of -p log q, with q over what `old_of` makes of the student's scores."""
    num_old = old_logits.shape[1]

    def of_pixels(scores: Logits, old_scores: Logits) -> Tensor:
        log_student: Tensor = old_of(scores, num_old).log_softmax(1)
        loss: Tensor = -(_softmax(old_scores, alpha) * log_student).sum(1)
        return loss

    return by_slices(of_pixels, logits, old_logits).mean() / num_old


def _softmax(logits: Logits, factor: float) -> Tensor:
    return (logits if factor == 1 else factor * logits).softmax(1)
