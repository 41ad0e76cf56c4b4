"""RCIL's pooled cube distillation: squared feature maps are averaged in space and along channels, then compared.

C.-B. Zhang, J.-W. Xiao, X. Liu, Y.-C. Chen, M.-M. Cheng: Representation Compensation Networks for Continual Semantic
Segmentation, CVPR 2022, arXiv:2203.05402. Beyond the border and beyond the last channel there are zeros, which count.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.losses.precision import full_precision
from saticl.types import Feature, Scalar

SIDES = (4, 8, 12, 16, 20, 24)
"""Of the squares that are averaged, in positions."""


@full_precision
def pooled_distance(old: Feature, new: Feature, sides: Sequence[int] = SIDES) -> Scalar:
    """Mean over images and `sides` of ‖P_s(new²) - P_s(old²)‖₂, P_s the mean over every square of side s.

    Squares move by one position and reach s/2 beyond the border.

    Args:
        old: [B, D, h, w].
        new: [B, D, h, w].
        sides: even numbers.
    """
    difference = new.square() - old.square()  # averaging is linear: of the difference it is needed only once
    norms = [_norms(_squares(difference, side)) for side in sides]
    return torch.stack(norms).mean()


@full_precision
def channel_distance(old: Feature, new: Feature) -> Scalar:
    """Mean over images of ‖P(new²) - P(old²)‖₂, P the mean over every three neighbouring channels.

    Args:
        old: [B, D, h, w].
        new: [B, D, h, w].
    """
    difference = new.square() - old.square()
    return _norms(F.avg_pool2d(difference.flatten(2)[:, None], (3, 1), stride=1, padding=(1, 0))).mean()


def _squares(values: Tensor, side: int) -> Tensor:
    """Means over squares [B, D, h + 1, w + 1]: first down, then across, which takes 2 side steps and not side²."""
    columns = F.avg_pool2d(values, (side, 1), stride=1, padding=(side // 2, 0))
    return F.avg_pool2d(columns, (1, side), stride=1, padding=(0, side // 2))


def _norms(values: Tensor) -> Tensor:
    """Norm of every image [B]; its gradient at 0 is 0."""
    norms: Tensor = torch.linalg.vector_norm(values.flatten(1), dim=1)
    return norms
