"""The U-Net decoder of segmentation_models_pytorch, so that its weights give the same scores here.

It computes what that package's `Unet` computes with its own defaults: nearest-neighbour upsampling, which `UNet` does
not use, and blocks without a map of the encoder until the image's resolution is reached. Its last layer looks at 3 x 3
pixels, and so do the heads here (`kernel`).
"""

from collections.abc import Sequence
from itertools import chain, islice, repeat

import torch
import torch.nn.functional as F
from torch import nn

from saticl.models.norm import ActName, NormName
from saticl.models.unet import conv_block
from saticl.types import Feature

WIDTHS = (256, 128, 64, 32, 16)
"""Channels of the blocks, deep to shallow; further blocks, for encoders of more than six maps, repeat the last."""


class UNetSMP(nn.Module):
    """Joins all maps of an encoder into one, and doubles it until there were five blocks.

    For the usual strides of an encoder, 2 to 32 or 4 to 32, the result has the size of the image.

    Attributes:
        width: channels of the result.
        kernel: side of the heads' kernels.
    """

    kernel = 3

    def __init__(self, channels: Sequence[int], norm: NormName, act: ActName) -> None:
        super().__init__()
        skips = list(channels[-2::-1])
        skips += [0] * (len(WIDTHS) - len(skips))
        widths = [channels[-1], *islice(chain(WIDTHS, repeat(WIDTHS[-1])), len(skips))]
        self.width = widths[-1]
        self.blocks = nn.ModuleList(
            conv_block(inputs + skip, width, norm, act)
            for inputs, skip, width in zip(widths[:-1], skips, widths[1:], strict=True)
        )

    def forward(self, stages: Sequence[Feature]) -> Feature:
        """Maps from shallow to deep, [B, channels[i], h_i, w_i], to [B, width, H, W]."""
        x = stages[-1]
        skips = list(stages[-2::-1])
        for number, block in enumerate(self.blocks):
            if number < len(skips):
                x = torch.cat([F.interpolate(x, size=skips[number].shape[-2:]), skips[number]], dim=1)
            else:
                x = F.interpolate(x, scale_factor=2.0)
            x = block(x)
        return x
