"""The decoder of SegFormer: every map gets the same channels and size, and one layer mixes them.

E. Xie, W. Wang, Z. Yu, A. Anandkumar, J. M. Alvarez, P. Luo: SegFormer: Simple and Efficient Design for Semantic
Segmentation with Transformers, NeurIPS 2021, arXiv:2105.15203. 256 channels, as for its two smallest models.
"""

import torch
from torch import nn

from saticl.models.convolution import normed_conv
from saticl.models.norm import ActName, NormName
from saticl.models.stages import Stages
from saticl.models.unet import resize
from saticl.types import Feature

WIDTH = 256


class SegFormer(nn.Module):
    """Joins the maps with a stride of at least 4 into one, at the size of the finest of these; one map is enough.

    Attributes:
        width: channels of the result.
        kernel: side of the heads' kernels.
    """

    width = WIDTH
    kernel = 1

    def __init__(self, stages: Stages, norm: NormName, act: ActName) -> None:
        super().__init__()
        self.first = stages.first
        self.linears = nn.ModuleList(nn.Conv2d(channels, WIDTH, 1) for channels in stages.pyramid)
        self.fuse = normed_conv(len(stages.pyramid) * WIDTH, WIDTH, norm, act)

    def forward(self, stages: tuple[Feature, ...]) -> Feature:
        """Maps from shallow to deep, [B, channels[i], h_i, w_i], to [B, 256, h_first, w_first]."""
        size = stages[self.first].shape[-2:]
        maps = [linear(stage) for linear, stage in zip(self.linears, stages[self.first :], strict=True)]
        fused: Feature = self.fuse(torch.cat([resize(x, size) for x in maps], dim=1))
        return fused
