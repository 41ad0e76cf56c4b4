"""Losses in which every class is decided for itself: one sigmoid per class, not one softmax over all."""

import torch
import torch.nn.functional as F

from saticl.labels import IGNORE
from saticl.losses.masking import masked_mean
from saticl.losses.precision import full_precision
from saticl.types import Labels, Logits, Scalar


@full_precision
def sigmoid_cross_entropy(logits: Logits, target: Labels) -> Scalar:
    """Σ_k BCE(z(k), [y = k]), averaged over labelled pixels.

    Cha et al., SSUL, NeurIPS 2021, arXiv:2106.11562. It is `incremental_bce` but for the mean, which runs over
    labelled pixels here.

    Args:
        logits: [B, K, H, W].
        target: [B, H, W].
    """
    classes = torch.arange(logits.shape[1], device=logits.device).view(-1, 1, 1)
    is_class = target[:, None] == classes
    # -log σ(z) for the label's class, -log σ(-z) for the others
    loss = -F.logsigmoid(torch.where(is_class, logits, -logits)).sum(1)
    return masked_mean(loss, target != IGNORE)
