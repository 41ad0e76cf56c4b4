"""ResNets with activated batch norms and leaky ReLUs: the encoder of MiB, PLOP, LGKD and others.

K. He, X. Zhang, S. Ren, J. Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385; trained
with In-Place ABN (arXiv:1712.02616), whose published ImageNet weights have these names of tensors. With `--model.norm
std` it has batch norms, and |weight| + eps of In-Place ABN become their scales when such weights are loaded.
"""

from collections import OrderedDict

import torch.nn.functional as F
from torch import nn

from saticl.models.exact import Published
from saticl.models.norm import SLOPE, NormName, named_norm
from saticl.options import ModelOptions
from saticl.types import Feature, Image

STRIDED = {8: (1, 2, 1, 1), 16: (1, 2, 2, 1), 32: (1, 2, 2, 2)}
"""Strides of the modules 2 to 5, by output stride; behind a module that keeps its size, pixels are looked at apart."""
DILATED = {8: (1, 1, 2, 4), 16: (1, 1, 1, 2), 32: (1, 1, 1, 1)}


class ResNetABN(nn.Module):
    """[B, C, H, W] to five maps: the stem's, 2 times smaller, and those of four modules of residual blocks.

    Attributes:
        channels: of each map.
        reductions: stride of each map.
    """

    channels: tuple[int, ...] = (64, 256, 512, 1024, 2048)
    published = Published("mod1.conv1", unused=("classifier.",), activated=True)

    def __init__(self, blocks: tuple[int, int, int, int], options: ModelOptions, in_channels: int) -> None:
        super().__init__()
        strides, norm = STRIDED[options.output_stride], options.norm
        self.reductions: tuple[int, ...] = (2, *_products(4, strides))
        self.mod1 = nn.Sequential(
            OrderedDict(conv1=nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False), bn1=named_norm(norm, 64))
        )
        for number, count in enumerate(blocks):
            stride, dilation = strides[number], DILATED[options.output_stride][number]
            module, inputs = OrderedDict[str, nn.Module](), self.channels[number]
            for index in range(count):
                first = Bottleneck(inputs, 64 * 2**number, norm, 1 if index else stride, dilation)
                module[f"block{index + 1}"], inputs = first, self.channels[number + 1]
            self.add_module(f"mod{number + 2}", nn.Sequential(module))
        gain = nn.init.calculate_gain("leaky_relu", SLOPE)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_normal_(layer.weight, gain)

    def forward(self, image: Image) -> list[Feature]:
        """Stem, then modules 2 to 5."""
        stem = self.mod1(image)
        x, stages = F.max_pool2d(stem, 3, stride=2, padding=1), [stem]
        for number in range(2, 6):
            x = self.get_submodule(f"mod{number}")(x)
            stages.append(x)
        return stages


class Bottleneck(nn.Module):
    """Three convolutions, 1x1, 3x3, 1x1, and a shortcut: [B, inputs, h, w] to [B, 4 width, h / stride, w / stride].

    The shortcut is projected where the shape changes. Last norm and projection have no activation: the sum has.
    """

    def __init__(self, inputs: int, width: int, norm: NormName, stride: int, dilation: int) -> None:
        super().__init__()
        outputs = 4 * width
        middle = nn.Conv2d(width, width, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
        self.convs = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(inputs, width, 1, bias=False),
                bn1=named_norm(norm, width),
                conv2=middle,
                bn2=named_norm(norm, width),
                conv3=nn.Conv2d(width, outputs, 1, bias=False),
                bn3=named_norm(norm, outputs, "identity"),
            )
        )
        self.projected = stride != 1 or inputs != outputs
        if self.projected:
            self.proj_conv = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.proj_bn = named_norm(norm, outputs, "identity")

    def forward(self, x: Feature) -> Feature:
        """The activated sum; neither norm's result is changed, for In-Place ABN needs them."""
        shortcut = self.proj_bn(self.proj_conv(x)) if self.projected else x
        return F.leaky_relu(self.convs(x) + shortcut, SLOPE, inplace=True)


def _products(stride: int, strides: tuple[int, ...]) -> list[int]:
    """Strides from the image on, behind each module."""
    found = []
    for own in strides:
        stride *= own
        found.append(stride)
    return found
