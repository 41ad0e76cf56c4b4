"""DeepLabV3 as the MiB family has it: maps of several reaches, and the mean of a wide window.

L.-C. Chen, G. Papandreou, F. Schroff, H. Adam: Rethinking Atrous Convolution for Semantic Image Segmentation, 2017,
arXiv:1706.05587; in the form of the code of MiB (arXiv:2002.00718), PLOP and LGKD, under their names of tensors.
Unlike in `aspp.py`, branches share a norm, the pooled branch is added behind the reduction, and no layer follows.

    out = act(norm(R · act(norm([C0 x, C1 x, C2 x, C3 x])) + P · act(norm(G · mean(x)))))

Ci: 1x1, and 3x3 with the dilations 6, 12, 18. In training the mean is that of the whole map; afterwards that of a
window as large as a training image around each pixel, so that large images are pooled as training images were.
"""

import torch
from torch import nn

from saticl.models.norm import SLOPE, ActName, NormName, activated_norm
from saticl.models.pooling import normed_means, window_means
from saticl.models.stages import Stages
from saticl.types import Feature

WIDTH = 256
REACHES = (96, 192, 288)
"""Of the dilated branches, in pixels of the image: dilations 6, 12 and 18 on maps 16 times smaller."""


def dilations(stride: int) -> tuple[int, ...]:
    """Dilations that reach equally far on maps of any stride."""
    return tuple(max(1, round(reach / stride)) for reach in REACHES)


class DeepLabV3(nn.Module):
    """Reads the deepest map only, and keeps its size.

    Deviation of the code of MiB, kept: at stride 8 the last dilation is 32, not 36.

    Attributes:
        width: channels of the result.
        kernel: side of the heads' kernels.
    """

    width = WIDTH
    kernel = 1

    def __init__(self, stages: Stages, norm: NormName, act: ActName) -> None:
        super().__init__()
        inputs, stride = stages.channels[-1], stages.strides[-1]
        rates = (12, 24, 32) if stride == 8 else dilations(stride)
        self.map_convs = nn.ModuleList(
            [
                _conv(inputs, WIDTH),
                *(nn.Conv2d(inputs, WIDTH, 3, padding=rate, dilation=rate, bias=False) for rate in rates),
            ]
        )
        self.map_bn = activated_norm(norm, len(self.map_convs) * WIDTH, act)
        self.global_pooling_conv = _conv(inputs, WIDTH)
        self.global_pooling_bn = activated_norm(norm, WIDTH, act)
        self.red_conv = _conv(len(self.map_convs) * WIDTH, WIDTH)
        self.pool_red_conv = _conv(WIDTH, WIDTH)
        self.red_bn = activated_norm(norm, WIDTH, act)
        self.window = None if stages.image_size is None else max(1, round(stages.image_size / stride))
        gain = nn.init.calculate_gain("leaky_relu", SLOPE)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight, gain)

    def forward(self, stages: tuple[Feature, ...]) -> Feature:
        """Maps from shallow to deep, the last [B, D, h, w], to [B, 256, h, w]."""
        deepest = stages[-1]
        branches = self.map_bn(torch.cat([conv(deepest) for conv in self.map_convs], dim=1))
        pooled = normed_means(self.global_pooling_bn, self._pooled(self.global_pooling_conv(deepest)))
        joined: Feature = self.red_bn(self.red_conv(branches) + self.pool_red_conv(pooled))
        return joined

    def _pooled(self, x: Feature) -> Feature:
        """Behind the 1x1 convolution instead of before it, where there are fewer channels: means commute with it."""
        if self.training or self.window is None:
            return x.mean(dim=(2, 3), keepdim=True)
        return window_means(x, self.window)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)
