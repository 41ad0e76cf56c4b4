"""ERFNet: a small network of convolutions that look along one axis at a time. 2.1 million weights.

E. Romera, J. M. Álvarez, L. M. Bergasa, R. Arroyo: ERFNet: Efficient Residual Factorized ConvNet for Real-Time
Semantic Segmentation, IEEE T-ITS 2018, doi:10.1109/TITS.2017.2750080. CIL (arXiv:2005.06050) uses it. Its encoder and
its decoder also go with others; together, with `--model.dropout 0`, they are the published network, under its names of
tensors.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from saticl.errors import InvalidOptions
from saticl.models.exact import Published
from saticl.models.norm import ActName, NormName
from saticl.models.stages import Stages
from saticl.options import ModelOptions
from saticl.types import Feature, Image

EPS = 1e-3
"""Of all batch norms."""
RGB = 3
"""Bands whose largest values the first layer keeps beside its convolution."""


class ERFNetEncoder(nn.Module):
    """[B, C, H, W] to maps of 16, 64 and 128 channels, 2, 4 and 8 times smaller."""

    channels: tuple[int, ...] = (16, 64, 128)
    reductions: tuple[int, ...] = (2, 4, 8)
    published = Published("initial_block.conv", unused=("output_conv.",))

    def __init__(self, options: ModelOptions, in_channels: int) -> None:
        del options  # its norms, strides and activations are its own
        super().__init__()
        self.initial_block = Downsampler(in_channels, 16, RGB)
        self.layers = nn.ModuleList(
            [
                Downsampler(16, 64, 16),
                *(NonBottleneck1D(64, 0.03, 1) for _ in range(5)),
                Downsampler(64, 128, 64),
                *(NonBottleneck1D(128, 0.3, dilation) for _ in range(2) for dilation in (2, 4, 8, 16)),
            ]
        )

    def forward(self, image: Image) -> list[Feature]:
        """The maps before each further downsampling, and the last."""
        x, stages = self.initial_block(image), []
        for layer in self.layers:
            if isinstance(layer, Downsampler):
                stages.append(x)
            x = layer(x)
        return [*stages, x]


class ERFNetDecoder(nn.Module):
    """Reads the deepest map only, and doubles it twice; the heads double it a third time (`kernel`).

    Attributes:
        width: channels of the result.
        kernel: side of the heads' kernels; 2: a pixel becomes four.

    Raises:
        InvalidOptions: other norms or activations than its own are asked for.
    """

    width = 16
    kernel = 2

    def __init__(self, stages: Stages, norm: NormName, act: ActName) -> None:
        super().__init__()
        if norm != "std" or act not in ("ident", "relu"):
            raise InvalidOptions(
                "--model.decoder erfnet has batch norms and ReLUs of its own: leave out --model.norm and --model.act."
            )
        self.layers = nn.ModuleList(
            [
                Upsampler(stages.channels[-1], 64),
                *(NonBottleneck1D(64, 0.0, 1) for _ in range(2)),
                Upsampler(64, 16),
                *(NonBottleneck1D(16, 0.0, 1) for _ in range(2)),
            ]
        )

    def forward(self, stages: tuple[Feature, ...]) -> Feature:
        """Maps from shallow to deep, the last [B, D, h, w], to [B, 16, 4 h, 4 w]."""
        x = stages[-1]
        for layer in self.layers:
            x = layer(x)
        return x


class Downsampler(nn.Module):
    """Half the size: a convolution and the largest values side by side; [B, inputs, h, w] to [B, width, h/2, w/2].

    Largest values are those of the first `kept` channels, counted again from the first where there are fewer: so the
    convolution has the same filters for any number of bands.
    """

    def __init__(self, inputs: int, width: int, kept: int) -> None:
        super().__init__()
        self.kept = [channel % inputs for channel in range(kept)]
        self.conv = nn.Conv2d(inputs, width - kept, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(width, EPS)

    def forward(self, x: Feature) -> Feature:
        """Sides are even."""
        largest = F.max_pool2d(x if len(self.kept) == x.shape[1] else x[:, self.kept], 2)
        return F.relu(self.bn(torch.cat([self.conv(x), largest], dim=1)))


class Upsampler(nn.Module):
    """Twice the size: [B, inputs, h, w] to [B, width, 2h, 2w]."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, width, 3, stride=2, padding=1, output_padding=1)
        self.bn = nn.BatchNorm2d(width, EPS)

    def forward(self, x: Feature) -> Feature:
        """A transposed convolution."""
        return F.relu(self.bn(self.conv(x)))


class NonBottleneck1D(nn.Module):
    """A residual block of two pairs of convolutions, 3x1 and 1x3, the second pair dilated; the shape stays."""

    def __init__(self, width: int, dropout: float, dilation: int) -> None:
        super().__init__()
        self.conv3x1_1, self.conv1x3_1 = _along(width, "rows", 1), _along(width, "columns", 1)
        self.bn1 = nn.BatchNorm2d(width, EPS)
        self.conv3x1_2, self.conv1x3_2 = _along(width, "rows", dilation), _along(width, "columns", dilation)
        self.bn2 = nn.BatchNorm2d(width, EPS)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Feature) -> Feature:
        """The sum of the block and its input, activated."""
        inner = F.relu(self.bn1(self.conv1x3_1(F.relu(self.conv3x1_1(x)))))
        inner = self.bn2(self.conv1x3_2(F.relu(self.conv3x1_2(inner))))
        return F.relu(self.dropout(inner) + x)


def _along(width: int, axis: Literal["rows", "columns"], dilation: int) -> nn.Conv2d:
    """A convolution of three pixels, 3x1 from row to row or 1x3 from column to column."""
    if axis == "rows":
        return nn.Conv2d(width, width, (3, 1), padding=(dilation, 0), dilation=(dilation, 1))
    return nn.Conv2d(width, width, (1, 3), padding=(0, dilation), dilation=(1, dilation))
