"""How overlapping windows become one picture: each counts fully in its middle and fades out towards its neighbours."""

from collections.abc import Sequence
from math import pi

import torch
from torch import Tensor

MARGIN = 0.25
"""Part of the overlap, at a window's edge, that does not count: there the network sees least of the surroundings."""


def fade(length: int, overlap: int, fades_in: bool, fades_out: bool) -> Tensor:
    """What the pixels of a window count, along one side [length], float32 from 0 to 1.

    Over the overlap with a neighbour a squared sine (half of a Hann window) rises from 0 to 1, after a MARGIN that
    counts 0 and before one that counts 1. What two neighbours count adds up to 1. Where the raster ends there is no
    neighbour, and all pixels up to the edge count 1.
    """
    position = torch.arange(min(overlap, length), dtype=torch.float32)
    margin = MARGIN * overlap
    ramp = ((position + 0.5 - margin) / max(overlap - 2 * margin, 1)).clamp(0, 1).mul(pi / 2).sin().square()
    weights = torch.ones(length)
    if fades_in:
        weights[: len(ramp)] *= ramp
    if fades_out:
        weights[length - len(ramp) :] *= ramp.flip(0)
    return weights


def fades(starts: Sequence[int], length: int, total: int, overlap: int) -> list[Tensor]:
    """What the pixels of windows of this length count, which begin at `starts` along a side of the raster.

    Divided by what all windows count at a pixel, so that at each it is 1 in all.
    """
    weights = [fade(length, overlap, start > 0, start + length < total) for start in starts]
    sums = torch.zeros(total)
    for start, weight in zip(starts, weights, strict=True):
        sums[start : start + length] += weight
    return [weight / sums[start : start + length] for start, weight in zip(starts, weights, strict=True)]
