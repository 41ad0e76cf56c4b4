"""What the previous model says about pixels whose label hides old classes, and how sure it is."""

import math

import torch
from torch import Tensor

from saticl.labels import BACKGROUND, IGNORE
from saticl.losses.precision import full_precision
from saticl.types import Labels, Logits


@full_precision
def normalised_entropy(logits: Logits) -> Tensor:
    """Entropy of the softmax [B, H, W], from 0 where one class is certain to 1 where all are equally likely.

    Args:
        logits: [B, K, H, W] with K > 1.
    """
    entropy: Tensor = torch.special.entr(logits.softmax(1)).sum(1)
    return entropy / math.log(logits.shape[1])


def old_labels(target: Labels, old_logits: Logits, confident: Tensor) -> Labels:
    """Labels in which background pixels carry the teacher's class where `confident`, and IGNORE elsewhere.

    Args:
        target: [B, H, W]; classes and IGNORE stay.
        old_logits: [B, num_old, H, W].
        confident: bool [B, H, W].
    """
    said = old_logits.argmax(1).where(confident, IGNORE)
    return said.where(target == BACKGROUND, target)
