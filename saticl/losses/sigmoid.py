"""Losses of methods with one sigmoid per class: every class for itself against all else.

    z      score of a class at a pixel; σ(z) is the probability that the pixel shows it
    BCE    -w log σ(z) where it does, -log(1 - σ(z)) where it does not

All are means over the pixels that count; scores of several classes are summed first.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.labels import IGNORE
from saticl.losses.masking import masked_mean
from saticl.losses.precision import full_precision
from saticl.types import Labels, Scalar


@full_precision
def class_bce(scores: Tensor, target: Labels, classes: Sequence[int], pos_weight: float = 1.0) -> Scalar:
    """BCE of some classes against labels: summed over these classes, mean over labelled pixels.

    Baek et al., DKD, NeurIPS 2022, arXiv:2210.05941 (mBCE). Deviation: ignored pixels do not count; in the published
    code they show none of the classes.

    Args:
        scores: [B, N, H, W], of the classes in their order.
        target: [B, H, W].
        classes: N output indices.
        pos_weight: weight w of a pixel in the loss of the class that it shows.
    """
    indices = torch.tensor(classes, device=scores.device).view(-1, 1, 1)
    shows = target[:, None] == indices
    loss = F.softplus(torch.where(shows, -scores, scores)) * torch.where(shows, pos_weight, 1.0)
    return masked_mean(loss.sum(1), target != IGNORE)


@full_precision
def absence(scores: Tensor, valid: Tensor) -> Scalar:
    """BCE against 0: none of these classes is there. Summed over classes, mean over the places that count.

    Args:
        scores: [B, N, H, W].
        valid: bool [B, H, W].
    """
    return masked_mean(F.softplus(scores).sum(1), valid)


@full_precision
def weighted_absence(scores: Tensor, weights: Tensor) -> Scalar:
    """`absence` of every image times the weight of that image, summed over images.

    Args:
        scores: [B, N, H, W].
        weights: [B], at least 0.
    """
    return (weights * F.softplus(scores).sum(1).mean((1, 2))).sum()


@full_precision
def presence_margin(scores: Tensor, valid: Tensor) -> Scalar:
    """Mean of max(0, (σ(z) - 1)² - σ(z)²) over places that count: 0 as soon as σ(z) is nearer to 1 than to 0.

    Zhang, Gao, BARM, ECCV 2024, arXiv:2407.09838.

    Args:
        scores: [B, H, W].
        valid: bool [B, H, W].
    """
    probability = scores.sigmoid()
    return masked_mean(((probability - 1).square() - probability.square()).relu(), valid)
