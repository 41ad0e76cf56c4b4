"""Rotation by any angle, interpolated: the corners of the turned square come from outside and count as ignored."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.labels import IGNORE
from saticl.types import Labels

TOLERANCE = 1e-3
"""Pixels by which a sample may leave the image through rounding; its value then changes by that share at most."""


@dataclass(frozen=True)
class Rotation:
    """Mirror left-right first, then turn counter-clockwise about the centre, in a frame of unchanged size."""

    degrees: float
    mirror: bool = False

    def __call__(self, tensor: Tensor) -> Tensor:
        """Turn images, scores or features [B, C, H, W], bilinearly, with 0 outside; the dtype stays."""
        return self._sample(tensor, "bilinear").to(tensor.dtype)

    def mask(self, target: Labels) -> Labels:
        """Turn labels [B, H, W] to the nearest pixel, with IGNORE outside."""
        # sampling fills with 0, so IGNORE is made 0 on the way; labels are exact in float32
        shifted = (target.float() - IGNORE)[:, None]
        return (self._sample(shifted, "nearest")[:, 0] + IGNORE).to(target.dtype)

    def valid(self, height: int, width: int, device: torch.device | None = None) -> Tensor:
        """Where a turned map of that size is made of pixels of the map alone: bool [height, width]."""
        row, column = self._sources(height, width, torch.float32, device)
        inside_rows = (row > -TOLERANCE) & (row < height - 1 + TOLERANCE)
        return inside_rows & (column > -TOLERANCE) & (column < width - 1 + TOLERANCE)

    def _sample(self, tensor: Tensor, mode: str) -> Tensor:
        height, width = tensor.shape[-2:]
        # half precision cannot tell neighbouring pixels of a large image apart
        wide = tensor if tensor.dtype == torch.float64 else tensor.float()
        row, column = self._sources(height, width, wide.dtype, wide.device)
        grid = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], dim=-1)
        grid = grid.expand(len(wide), -1, -1, -1)
        with torch.autocast(wide.device.type, enabled=False):
            return F.grid_sample(wide, grid, mode=mode, padding_mode="zeros", align_corners=False)

    def _sources(
        self, height: int, width: int, dtype: torch.dtype, device: torch.device | None
    ) -> tuple[Tensor, Tensor]:
        """Row and column [height, width], in pixels of the original, that each pixel of the result shows."""
        middle_row, middle_column = (height - 1) / 2, (width - 1) / 2
        down = torch.arange(height, dtype=dtype, device=device)[:, None] - middle_row
        right = torch.arange(width, dtype=dtype, device=device)[None] - middle_column
        angle = math.radians(self.degrees)
        row = math.sin(angle) * right + math.cos(angle) * down
        column = math.cos(angle) * right - math.sin(angle) * down
        return row + middle_row, (-column if self.mirror else column) + middle_column
