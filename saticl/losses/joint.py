"""One cross entropy for labels and the previous model, in which classes may count differently."""

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.labels import BACKGROUND, IGNORE
from saticl.losses.precision import full_precision
from saticl.losses.shares import share, total
from saticl.losses.slices import by_slices
from saticl.types import Labels, Logits, Scalar


@full_precision
def joint_cross_entropy(
    logits: Logits, old_logits: Logits, target: Labels, weights: Tensor, favour_rare: float = 0.0
) -> Scalar:
    """Cross entropy with labels where these name a class and with the teacher in the background, weighted by class.

    Our own (docs/method.md). With t_i = one-hot(y_i) at pixels labelled with a class, and t_i = softmax(old_logits_i)
    at pixels labelled background:

        mean_i Σ_c w_c t_i(c) (-log softmax(logits_i + (1 - f) log w)(c))

    The weights say how strongly a class pulls. With f = 0 they do not change what is learned: adding their logarithm
    makes up for them, so the loss is least where softmax(logits_i) is the mean of t_i over alike pixels, whatever w
    (A. K. Menon et al.: Long-tail learning via logit adjustment, ICLR 2021, arXiv:2007.07314, section 4). In general
    it is least where softmax(logits_i) is in proportion to that mean times w^f.

    Args:
        logits: [B, K, H, W].
        old_logits: [B, K_old, H, W].
        target: [B, H, W]; IGNORE counts nowhere.
        weights: [K], positive; all 1: plain cross entropy.
        favour_rare: f, from 0 to 1.
    """
    num_old = old_logits.shape[1]
    weights = weights.to(logits.dtype)
    made_up, of_old = ((1 - favour_rare) * weights.log())[:, None, None], weights[:num_old, None, None]

    def of_pixels(scores: Logits, old_scores: Logits, target: Labels) -> Tensor:
        log_student = (scores + made_up).log_softmax(1)
        by_labels = F.nll_loss(log_student, _named(target), weights, ignore_index=IGNORE, reduction="none")
        return by_labels - (of_old * _taught(old_scores, target) * log_student[:, :num_old]).sum(1)

    return share(by_slices(of_pixels, logits, old_logits, target).sum()) / total((target != IGNORE).sum()).clamp(min=1)


@full_precision
def joint_pixels(old_logits: Logits, target: Labels, num_classes: int) -> Tensor:
    """Pixels of each class, by labels where these name one and by the teacher in the background: Σ_i t_i(c).

    Returns:
        Whole thousandths [num_classes] of a pixel, int64, which add up to the same in any order.
    """
    labels = _named(target).flatten()
    places = labels.where(labels != IGNORE, num_classes)
    named = torch.zeros(num_classes + 1, dtype=torch.int64, device=target.device)
    named.scatter_add_(0, places, torch.ones_like(places))
    taught = (1000 * _taught(old_logits, target).sum((0, 2, 3))).round().long()
    return 1000 * named[:-1] + F.pad(taught, (0, num_classes - len(taught)))


def _named(target: Labels) -> Labels:
    """Labels that name a class; IGNORE elsewhere."""
    return target.long().masked_fill(target == BACKGROUND, IGNORE)


def _taught(old_logits: Logits, target: Labels) -> Tensor:
    """The teacher's probabilities where the label is background; 0 elsewhere."""
    return old_logits.softmax(1) * (target == BACKGROUND)[:, None]
