"""From raw pixels to what networks expect: (x - mean) / std per band, on the device."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from saticl.types import Image


class Normalize(nn.Module):
    """Raw bands [B, C, H, W] of any type become float32 with the statistics of the dataset.

    Done on the device, because bytes travel there four times faster than floats; the memory format is kept. A band
    without any deviation (std 0) is constant and carries nothing: it becomes zero instead of infinite.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor([value or 1.0 for value in std], dtype=torch.float32).view(-1, 1, 1))

    def forward(self, image: Tensor) -> Image:
        """Normalise [B, C, H, W], or one [C, H, W]."""
        return (image.float() - self.mean) / self.std
