"""What blended probabilities say of their pixels: the likeliest class, and how sure that is."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saticl.inference.sliding import Band
from saticl.labels import IGNORE

Certainty = Literal["margin", "entropy"]


def class_map(band: Band) -> NDArray[np.uint8]:
    """The index of the likeliest class of each pixel [n, W], IGNORE where there are no data."""
    if not len(band.probabilities):
        return np.full(band.invalid.shape, IGNORE, np.uint8)
    return np.where(band.invalid, np.uint8(IGNORE), likeliest(band.probabilities).cpu().numpy())


def likeliest(probabilities: Tensor) -> Tensor:
    """The index of the largest of [K, H, W], uint8 [H, W]; of equal ones the first.

    Class by class, because `argmax` over the first dimension takes ten times as long on a CPU.
    """
    best, found = probabilities[0].clone(), torch.zeros_like(probabilities[0], dtype=torch.uint8)
    for index, one in enumerate(probabilities[1:], start=1):
        found.masked_fill_(one > best, index)
        torch.maximum(best, one, out=best)
    return found


def certainty(probabilities: Tensor, how: Certainty) -> Tensor:
    """How sure the network is [H, W], from 0 (not at all) to 1, of probabilities [K, H, W].

    margin: the largest probability minus the second. entropy: 1 minus the entropy divided by its largest value, ln K.
    """
    if how == "margin":
        largest = probabilities.topk(2, dim=0).values
        return largest[0] - largest[1]
    entropy = -(probabilities * probabilities.clamp(min=torch.finfo(torch.float32).tiny).log()).sum(0)
    return (1 - entropy / float(np.log(len(probabilities)))).clamp(0, 1)
