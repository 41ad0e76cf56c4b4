"""What exact and free rotations have in common."""

from typing import Protocol

import torch
from torch import Tensor

from saticl.types import Labels


class Turn(Protocol):
    """A turn of the plane, the same for images, labels and feature maps of any resolution."""

    def __call__(self, tensor: Tensor) -> Tensor:
        """Turn images, scores or features by their last two dimensions."""
        ...

    def mask(self, target: Labels) -> Labels:
        """Turn labels [B, H, W]; what comes from outside is IGNORE."""
        ...

    def valid(self, height: int, width: int, device: torch.device | None = None) -> Tensor | None:
        """Where a turned map of that size [height, width] shows content only, as bool; None: everywhere."""
        ...
