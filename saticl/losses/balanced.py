"""Losses in which a class weighs less per pixel, the more pixels it has, whoever says which they are."""

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.labels import BACKGROUND, IGNORE
from saticl.losses.precision import full_precision
from saticl.types import Labels, Logits, Scalar


@full_precision
def balanced_cross_entropy(logits: Logits, old_logits: Logits, target: Labels, balance: float = 0.5) -> Scalar:
    """Cross entropy with labels where these name a class and with the teacher in the background, by shares of classes.

    Our own (docs/method.md). With t_i = one-hot(y_i) at pixels labelled with a class, t_i = softmax(old_logits_i) at
    pixels labelled background, n_c = Σ_i t_i(c) the pixels of class c, and w_c = (n_c + n/2048)^-balance, n the pixels
    of the batch:

        Σ_i Σ_c w_c t_i(c) (-log q_i(c)) / Σ_c w_c n_c

    With `balance` 0 it is the plain mean over pixels; with 1 all classes weigh the same, but those on less than about
    1/2048 of the pixels, which weigh less; with 1/2 a class weighs as the square root of its pixels.

    Args:
        logits: [B, K, H, W]; q is their softmax over all K classes.
        old_logits: [B, K_old, H, W].
        target: [B, H, W]; IGNORE counts nowhere.
        balance: from 0 to 1.
    """
    num_classes, num_old = logits.shape[1], old_logits.shape[1]
    names_class = (target != BACKGROUND) & (target != IGNORE)
    log_student = logits.log_softmax(1)
    taught = old_logits.softmax(1) * (target == BACKGROUND)[:, None]
    labels = target.long().where(names_class, IGNORE)
    pixels = _counts(labels.where(names_class, num_classes), num_classes + 1)[:-1].to(log_student.dtype)
    pixels[:num_old] += taught.sum((0, 2, 3))
    weights = (pixels + target.numel() / 2048) ** -balance
    said = F.nll_loss(log_student, labels, ignore_index=IGNORE, reduction="none")
    by_labels = (weights[labels.where(names_class, 0)] * said).sum()
    by_teacher = -(weights[:num_old] * (taught * log_student[:, :num_old]).sum((0, 2, 3))).sum()
    total = (weights * pixels).sum()
    return (by_labels + by_teacher) / total.where(total > 0, 1)


def _counts(labels: Labels, number: int) -> Tensor:
    """Pixels of each index below `number`; whole numbers, which add up to the same in any order."""
    counts = torch.zeros(number, dtype=torch.int64, device=labels.device)
    return counts.scatter_add_(0, labels.flatten(), torch.ones_like(labels.flatten()))
