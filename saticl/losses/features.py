"""Losses that compare feature maps [B, D, h, w]."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.losses.masking import masked_mean
from saticl.losses.precision import full_precision
from saticl.losses.shares import share, total
from saticl.types import Feature, Scalar


@full_precision
def feature_mse(a: Feature, b: Feature, valid: Tensor | None = None) -> Scalar:
    """Mean squared difference over all elements, or over those at `valid` places; both sides carry gradient.

    ILT's distillation of encoder features (Michieli, Zanuttigh, ICCVW 2019, arXiv:1907.13372) and both rotation terms
    of MiB-CD (Arnaudo et al., ICIAP 2021, arXiv:2112.03814).

    Args:
        a: [B, D, h, w].
        b: [B, D, h, w].
        valid: bool, of a shape that broadcasts to that of `a`, such as [h, w] or [B, 1, h, w]; None: everywhere.
    """
    if valid is None:
        return F.mse_loss(a, b)
    return masked_mean((a - b).square(), valid)


@full_precision
def attended_mse(a: Feature, b: Feature, attention: Tensor) -> Scalar:
    """Squared difference, averaged over channels, then over places weighted by `attention`; 0 where that is all 0.

    Args:
        a: [B, D, h, w].
        b: [B, D, h, w].
        attention: [B, h, w], at least 0.
    """
    all_of_it = total(attention.sum())
    return share((attention * (a - b).square().mean(1)).sum()) / all_of_it.where(all_of_it > 0, 1)


@full_precision
def weighted_mse(a: Feature, b: Feature, weight: Tensor) -> Scalar:
    """Squared difference times `weight`, averaged over channels, then over the places whose weight is above 0.

    Unlike in `attended_mse`, small weights make the result small. Park et al., ECCV 2024, arXiv:2407.11859.

    Args:
        a: [B, D, h, w].
        b: [B, D, h, w].
        weight: [B, h, w], at least 0.
    """
    return masked_mean(weight * (a - b).square().mean(1), weight > 0)


@full_precision
def local_pod_distance(old: Feature, new: Feature, scales: Sequence[int] = (1, 2, 4)) -> Scalar:
    """PLOP's Local POD: distance of squared activations averaged along strips of a pyramid of regions.

    Douillard, Chen, Dapogny, Cord: PLOP, CVPR 2021, arXiv:2011.11390, section on multi-scale local distillation. At
    scale s the map is cut into s x s regions, and each region is averaged over its width and over its height. Per
    sample the L2 norm of the difference of all these means; then the mean over the batch. Identical maps have distance
    0 and gradient 0.

    Regions of a side that s does not divide differ by one pixel, so that they cover maps of any shape. Deviation: the
    norm is not squared, as in the authors' code, to which the published weights belong.

    Args:
        old: [B, D, h, w], of the previous model.
        new: [B, D, h, w].
        scales: regions per side.
    """
    difference = new.square() - old.square()  # averaging is linear: of the difference it is needed only once
    strips = torch.cat([strip.flatten(1) for scale in scales for strip in _strips(difference, scale)], dim=1)
    norms: Tensor = torch.linalg.vector_norm(strips, dim=1)  # its gradient at 0 is 0
    return norms.mean()


def _strips(features: Feature, scale: int) -> Iterator[Tensor]:
    """Means over the width of each of `scale` column blocks [B, D, h], then over the height of each row block."""
    for dim in (-1, -2):
        for block in features.split(_block_sizes(features.shape[dim], scale), dim):
            yield block.mean(dim)


def _block_sizes(size: int, scale: int) -> list[int]:
    """`size` cut into `scale` blocks that differ by one at most; one block per pixel where there are fewer pixels."""
    blocks = min(size, scale)
    edges = [index * size // blocks for index in range(blocks + 1)]
    return [end - start for start, end in pairwise(edges)]
