"""Semantic feature pyramid: maps are added from deep to shallow, and each is brought up to the finest by convolutions.

A. Kirillov, R. Girshick, K. He, P. Dollár: Panoptic Feature Pyramid Networks, CVPR 2019, arXiv:1901.02446.
Deviations: the norm of `--model.norm` in place of group norm, no 3x3 convolution between pyramid and branches,
bilinear upsampling.
"""

from collections.abc import Sequence
from functools import reduce

from torch import Tensor, nn

from saticl.models.convolution import normed_conv
from saticl.models.norm import ActName, NormName
from saticl.models.stages import Stages
from saticl.models.unet import resize
from saticl.types import Feature

PYRAMID = 256
"""Channels of the pyramid."""


class FPN(nn.Module):
    """Joins the maps with a stride of at least 4 into one, at the size of the finest of these.

    Sizes are read from the maps: any strides work, also equal ones (vision transformers).

    Attributes:
        width: channels of the result.
        kernel: side of the heads' kernels.

    Raises:
        InvalidOptions: the encoder has a single such map.
    """

    width = 128
    kernel = 1

    def __init__(self, stages: Stages, norm: NormName, act: ActName) -> None:
        super().__init__()
        stages.require_several("fpn")
        self.first = stages.first
        self.laterals = nn.ModuleList(nn.Conv2d(channels, PYRAMID, 1) for channels in stages.pyramid)
        self.branches = nn.ModuleList(Branch(level, self.width, norm, act) for level in range(len(stages.pyramid)))

    def forward(self, stages: tuple[Feature, ...]) -> Feature:
        """Maps from shallow to deep, [B, channels[i], h_i, w_i], to [B, 128, h_first, w_first]."""
        maps = [lateral(stage) for lateral, stage in zip(self.laterals, stages[self.first :], strict=True)]
        for level in range(len(maps) - 2, -1, -1):
            maps[level] = maps[level] + resize(maps[level + 1], maps[level].shape[-2:])
        raised: list[Feature] = [branch(maps) for branch in self.branches]
        return reduce(Tensor.add, raised)


class Branch(nn.Module):
    """Brings a level of the pyramid to the size of the finest: one 3x3 convolution for each level that it passes."""

    def __init__(self, level: int, width: int, norm: NormName, act: ActName) -> None:
        super().__init__()
        self.level = level
        self.convs = nn.ModuleList(
            normed_conv(width if number else PYRAMID, width, norm, act, 3) for number in range(max(1, level))
        )

    def forward(self, maps: Sequence[Feature]) -> Feature:
        """Levels from fine to coarse, [B, 256, h_i, w_i], to [B, width, h_0, w_0]."""
        x = maps[self.level]
        for number, conv in enumerate(self.convs):
            x = resize(conv(x), maps[max(0, self.level - number - 1)].shape[-2:])
        return x
