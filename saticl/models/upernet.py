"""UPerNet: a feature pyramid whose deepest map also knows the means of the whole map and of its parts.

T. Xiao, Y. Liu, B. Zhou, Y. Jiang, J. Sun: Unified Perceptual Parsing for Scene Understanding, ECCV 2018,
arXiv:1807.10221. Deviation: 256 channels throughout, as in most later work; published were 512.
"""

import torch
from torch import nn

from saticl.models.convolution import normed_conv
from saticl.models.norm import ActName, NormName
from saticl.models.pooling import NormedMeans, grid_means
from saticl.models.stages import Stages
from saticl.models.unet import resize
from saticl.types import Feature

WIDTH = 256
GRIDS = (1, 2, 3, 6)
"""Cells per side of the parts."""


class UPerNet(nn.Module):
    """Joins the maps with a stride of at least 4 into one, at the size of the finest of these.

    Sizes are read from the maps: any strides work, also equal ones (vision transformers).

    Attributes:
        width: channels of the result.
        kernel: side of the heads' kernels.

    Raises:
        InvalidOptions: the encoder has a single such map.
    """

    width = WIDTH
    kernel = 1

    def __init__(self, stages: Stages, norm: NormName, act: ActName) -> None:
        super().__init__()
        stages.require_several("upernet")
        self.first = stages.first
        *shallow, deepest = stages.pyramid
        self.parts = nn.ModuleList(NormedMeans(deepest, WIDTH, norm, act) for _ in GRIDS)
        self.joined_parts = normed_conv(deepest + len(GRIDS) * WIDTH, WIDTH, norm, act, 3)
        self.laterals = nn.ModuleList(normed_conv(channels, WIDTH, norm, act) for channels in shallow)
        self.smooth = nn.ModuleList(normed_conv(WIDTH, WIDTH, norm, act, 3) for _ in shallow)
        self.fuse = normed_conv(len(stages.pyramid) * WIDTH, WIDTH, norm, act, 3)

    def forward(self, stages: tuple[Feature, ...]) -> Feature:
        """Maps from shallow to deep, [B, channels[i], h_i, w_i], to [B, 256, h_first, w_first]."""
        *shallow, deepest = stages[self.first :]
        maps = [lateral(stage) for lateral, stage in zip(self.laterals, shallow, strict=True)]
        maps.append(self._with_parts(deepest))
        for level in range(len(shallow) - 1, -1, -1):
            maps[level] = maps[level] + resize(maps[level + 1], maps[level].shape[-2:])
        maps[:-1] = [smooth(x) for smooth, x in zip(self.smooth, maps[:-1], strict=True)]
        fused: Feature = self.fuse(torch.cat([resize(x, maps[0].shape[-2:]) for x in maps], dim=1))
        return fused

    def _with_parts(self, deepest: Feature) -> Feature:
        """Pyramid pooling (arXiv:1612.01105): [B, D, h, w] to [B, 256, h, w]."""
        means = [part(grid_means(deepest, cells)) for part, cells in zip(self.parts, GRIDS, strict=True)]
        everywhere = [resize(mean, deepest.shape[-2:]) for mean in means]
        joined: Feature = self.joined_parts(torch.cat([deepest, *everywhere], dim=1))
        return joined
