"""DeepLabV3+: atrous spatial pyramid pooling on the deepest map, refined with a finer one.

L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam: Encoder-Decoder with Atrous Separable Convolution for Semantic
Image Segmentation, ECCV 2018, arXiv:1802.02611. Deviation: convolutions are not separable.
"""

import torch
from torch import nn

from saticl.models.aspp import ASPP
from saticl.models.convolution import normed_conv
from saticl.models.deeplabv3 import WIDTH
from saticl.models.norm import ActName, NormName
from saticl.models.stages import Stages
from saticl.models.unet import resize
from saticl.types import Feature

DETAIL = 48
"""Channels of the finer map: few, so that it does not outweigh the deep one."""


class DeepLabV3Plus(nn.Module):
    """Joins the deepest map with the first one of a stride of at least 4, at the size of that.

    Attributes:
        width: channels of the result.
        kernel: side of the heads' kernels.

    Raises:
        InvalidOptions: the encoder has no finer map.
    """

    width = WIDTH
    kernel = 1

    def __init__(self, stages: Stages, norm: NormName, act: ActName) -> None:
        super().__init__()
        stages.require_finer("deeplabv3plus")
        self.first = stages.first
        self.aspp = ASPP(stages, norm, act)
        self.detail = normed_conv(stages.channels[self.first], DETAIL, norm, act)
        self.refine = nn.Sequential(
            normed_conv(WIDTH + DETAIL, WIDTH, norm, act, 3), normed_conv(WIDTH, WIDTH, norm, act, 3)
        )

    def forward(self, stages: tuple[Feature, ...]) -> Feature:
        """Maps from shallow to deep, [B, channels[i], h_i, w_i], to [B, 256, h_first, w_first]."""
        fine = self.detail(stages[self.first])
        refined: Feature = self.refine(torch.cat([resize(self.aspp(stages), fine.shape[-2:]), fine], dim=1))
        return refined
