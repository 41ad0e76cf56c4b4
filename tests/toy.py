"""A segmenter of a few weights: two stages, equivariant where asked, for tests of methods and of the engine."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saticl.types import Output


class ToySegmenter(nn.Module):
    """3x3 convolution of stride 2 (or 1x1 without neighbours), another 1x1, one 1x1 head per step."""

    def __init__(self, head_sizes: tuple[int, ...], bands: int = 3, pointwise: bool = False) -> None:
        super().__init__()
        kernel, stride, padding = (1, 1, 0) if pointwise else (3, 2, 1)
        self.encoder = nn.Conv2d(bands, 6, kernel, stride, padding)
        self.decoder = nn.Conv2d(6, 5, 1)
        self.heads = nn.ModuleList(nn.Conv2d(5, size, 1) for size in head_sizes if size)

    def forward(self, image: Tensor) -> Output:
        stage = self.encoder(image).relu()
        pixels = self.decoder(stage).tanh()
        coarse = torch.cat([head(pixels) for head in self.heads], dim=1)
        logits = F.interpolate(coarse, image.shape[-2:], mode="bilinear", align_corners=False)
        return Output(logits, (stage,), pixels, coarse)
