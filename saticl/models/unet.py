"""U-Net decoder: from the deepest map up, each time together with the encoder's map of that size.

O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015,
arXiv:1505.04597. Deviation: bilinear upsampling instead of transposed convolutions, padded convolutions with norms.
"""

from collections.abc import Sequence
from itertools import chain, repeat

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saticl.models.norm import ActName, NormName, activated_norm
from saticl.types import Feature

WIDTHS = (256, 128, 64, 32)
"""Channels of the blocks, deep to shallow; further blocks repeat the last.

The fourth block works at half the image's resolution and is the dearest: 64 instead of 32 channels there make a
training step of a ResNet-34 U-Net a fifth longer.
"""


class UNet(nn.Module):
    """Joins all maps of an encoder into one, at the size of the shallowest.

    It trusts the number of channels only: sizes are read from the maps themselves, so any input size, any stride
    and repeated strides (vision transformers) work. With a single map there is nothing to join, and it is returned.

    Attributes:
        width: channels of the result.
        kernel: side of the heads' kernels.
    """

    kernel = 1

    def __init__(self, channels: Sequence[int], norm: NormName, act: ActName) -> None:
        super().__init__()
        blocks = []
        self.width = channels[-1]
        for skip, width in zip(reversed(channels[:-1]), chain(WIDTHS, repeat(WIDTHS[-1])), strict=False):
            blocks.append(conv_block(self.width + skip, width, norm, act))
            self.width = width
        self.blocks = nn.ModuleList(blocks)

    def forward(self, stages: Sequence[Feature]) -> Feature:
        """Maps from shallow to deep, [B, channels[i], h_i, w_i], to [B, width, h_0, w_0]."""
        x = stages[-1]
        for block, skip in zip(self.blocks, reversed(stages[:-1]), strict=True):
            x = block(torch.cat([resize(x, skip.shape[-2:]), skip], dim=1))
        return x


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear resizing to (height, width), with pixels as areas (`align_corners=False`)."""
    return F.interpolate(x, size=list(size), mode="bilinear", align_corners=False)


def conv_block(inputs: int, width: int, norm: NormName, act: ActName) -> nn.Sequential:
    """Two 3 x 3 convolutions, each with norm and activation: [B, inputs, h, w] to [B, width, h, w]."""
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1, bias=False),
        activated_norm(norm, width, act),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        activated_norm(norm, width, act),
    )
