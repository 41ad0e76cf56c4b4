"""DeepLabV3 as published and in torchvision: atrous spatial pyramid pooling, a norm for each branch, and a projection.

L.-C. Chen, G. Papandreou, F. Schroff, H. Adam: Rethinking Atrous Convolution for Semantic Image Segmentation, 2017,
arXiv:1706.05587. SSUL, MicroSeg, DKD and STAR build on it. The dropout behind its projection is that of the classifier
(`--model.dropout`), and the 3x3 convolution that torchvision puts after it is left out, as in SSUL and DKD.
"""

import torch
from torch import nn

from saticl.models.convolution import normed_conv
from saticl.models.deeplabv3 import WIDTH, dilations
from saticl.models.norm import ActName, NormName
from saticl.models.pooling import NormedMeans
from saticl.models.stages import Stages
from saticl.types import Feature


class ASPP(nn.Module):
    """Reads the deepest map only, and keeps its size.

    Attributes:
        width: channels of the result.
        kernel: side of the heads' kernels.
    """

    width = WIDTH
    kernel = 1

    def __init__(self, stages: Stages, norm: NormName, act: ActName) -> None:
        super().__init__()
        inputs = stages.channels[-1]
        self.branches = nn.ModuleList(
            [
                normed_conv(inputs, WIDTH, norm, act),
                *(normed_conv(inputs, WIDTH, norm, act, 3, rate) for rate in dilations(stages.strides[-1])),
            ]
        )
        self.pooled = NormedMeans(inputs, WIDTH, norm, act)
        self.project = normed_conv((len(self.branches) + 1) * WIDTH, WIDTH, norm, act)

    def forward(self, stages: tuple[Feature, ...]) -> Feature:
        """Maps from shallow to deep, the last [B, D, h, w], to [B, 256, h, w]."""
        deepest = stages[-1]
        mean = self.pooled(deepest.mean(dim=(2, 3), keepdim=True))
        everywhere = mean.expand(-1, -1, *deepest.shape[-2:])
        joined: Feature = self.project(torch.cat([*(branch(deepest) for branch in self.branches), everywhere], dim=1))
        return joined
