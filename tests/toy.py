"""A segmenter of a few weights: two stages, equivariant where asked, for tests of methods and of the engine."""

import torch.nn.functional as F
from torch import Tensor, nn

from saticl.models.classifier import Classifier
from saticl.options import ModelOptions
from saticl.types import Output


class BasicBlock(nn.Module):
    """A convolution and its batch norm beside a shortcut, with the names of timm's ResNets."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = (x + self.bn1(self.conv1(x))).relu()
        return answer


class ToyBody(nn.Module):
    """3x3 convolution of stride 2 (or 1x1 without neighbours), a residual block where asked, and another 1x1."""

    width, kernel = 5, 1

    def __init__(self, bands: int, pointwise: bool, residual: bool) -> None:
        super().__init__()
        size, stride, padding = (1, 1, 0) if pointwise else (3, 2, 1)
        first = nn.Conv2d(bands, 6, size, stride, padding)
        self.encoder = nn.Sequential(first, BasicBlock(6)) if residual else first
        self.decoder = nn.Conv2d(6, self.width, 1)

    def pad(self, image: Tensor) -> Tensor:
        return image

    def forward(self, image: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        stage = self.encoder(image).relu()
        return (stage,), self.decoder(stage).tanh()


class ToySegmenter(nn.Module):
    """A toy body, and the classifier of real networks: what methods find in a `Segmenter`."""

    def __init__(
        self, head_sizes: tuple[int, ...], bands: int = 3, pointwise: bool = False, residual: bool = False
    ) -> None:
        super().__init__()
        self.body = ToyBody(bands, pointwise, residual)
        self.classifier = Classifier(ModelOptions(dropout=0.0), ToyBody.width, head_sizes)

    @property
    def num_classes(self) -> int:
        return self.classifier.num_classes

    @property
    def heads(self) -> nn.ModuleList:
        return self.classifier.heads

    def classify(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.classifier(pixels)
        return scores

    def grow(self, num_new: int) -> None:
        self.classifier.grow(num_new)

    def forward(self, image: Tensor) -> Output:
        stages, pixels = self.body(image)
        coarse = self.classify(pixels)
        logits = F.interpolate(coarse, image.shape[-2:], mode="bilinear", align_corners=False)
        return Output(logits, stages, pixels, coarse)
