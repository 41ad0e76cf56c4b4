"""Rotation by any angle, interpolated: the corners of the turned square come from outside and count as ignored."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2.functional import rotate_image

from saticl.labels import IGNORE
from saticl.types import Labels

TOLERANCE = 1e-3
"""Share of a pixel's value that may come from outside through rounding of its position."""


@dataclass(frozen=True)
class Rotation:
    """Mirror left-right first, then turn counter-clockwise about the centre, in a frame of unchanged size."""

    degrees: float
    mirror: bool = False

    def __call__(self, tensor: Tensor) -> Tensor:
        """Turn images, scores or features [B, C, H, W], bilinearly, with 0 outside; the dtype stays."""
        # half precision cannot tell neighbouring pixels of a large image apart
        wide = tensor if tensor.dtype == torch.float64 else tensor.float()
        return self._turned(wide, InterpolationMode.BILINEAR, fill=None).to(tensor.dtype)

    def mask(self, target: Labels) -> Labels:
        """Turn labels [B, H, W] to the nearest pixel, with IGNORE outside."""
        return self._turned(target[:, None], InterpolationMode.NEAREST, fill=[IGNORE])[:, 0]

    def valid(self, height: int, width: int, device: torch.device | None = None) -> Tensor:
        """Where a turned map of that size is made of pixels of the map alone: bool [height, width]."""
        inside = self._turned(torch.ones(1, 1, height, width, device=device), InterpolationMode.BILINEAR, fill=None)
        return inside[0, 0] > 1 - TOLERANCE

    def _turned(self, tensor: Tensor, mode: InterpolationMode, fill: list[float] | None) -> Tensor:
        mirrored = tensor.flip(-1) if self.mirror else tensor
        with torch.autocast(tensor.device.type, enabled=False):  # positions are a matrix product
            turned: Tensor = rotate_image(mirrored, self.degrees, mode, fill=fill)
        return turned
