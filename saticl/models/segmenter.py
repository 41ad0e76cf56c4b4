"""The network: encoder, decoder, and one classifier per step."""

import math
from collections.abc import Sequence
from typing import Self

import torch
from torch import nn

from saticl.labels import BACKGROUND
from saticl.models.encoder import Encoder
from saticl.models.unet import UNet, resize
from saticl.options import ModelOptions
from saticl.types import Feature, Image, Logits, Output


class Segmenter(nn.Module):
    """Scores for every pixel and every class learned so far.

    Output index 0 is the background; heads stand in learning order, so an index never moves.

    Args:
        options: what to build.
        in_channels: bands of the images.
        head_sizes: outputs of each head: 1 + the classes of step 0, then the new classes of each later step.
        image_size: side of the images in pixels, for encoders that want to know (vision transformers).

    Raises:
        UnknownName: no such encoder.
        InvalidOptions: an encoder, a norm or a stride that cannot be built.
        InvalidCheckpoint: encoder weights that are missing or do not fit.
    """

    def __init__(
        self, options: ModelOptions, in_channels: int, head_sizes: Sequence[int], image_size: int | None = None
    ) -> None:
        super().__init__()
        self.options = options
        self.encoder = Encoder(options, in_channels, image_size)
        self.decoder = UNet(self.encoder.channels, options.norm, options.act)
        self.dropout = nn.Dropout2d(options.dropout) if options.dropout2d else nn.Dropout(options.dropout)
        self.heads = nn.ModuleList(nn.Conv2d(self.decoder.width, size, 1) for size in head_sizes)
        self._encoder_frozen = False

    @property
    def num_classes(self) -> int:
        """Classes seen so far, background included: channels of the logits."""
        return sum(_conv(head).out_channels for head in self.heads)

    def forward(self, image: Image) -> Output:
        """Segment images of any size.

        Images whose sides are no multiple of the encoder's stride are padded to the right and below (see
        `Encoder.pad`); logits, coarse and pixels are cut back, the encoder's stages are not.
        The heads run on the coarse map, then scores are resized: a 1x1 convolution and a resize commute.
        """
        height, width = image.shape[-2:]
        padded = self.encoder.pad(image)
        stages = self.encoder(padded)
        pixels = self.decoder(stages)
        coarse = self.classify(pixels)
        logits = resize(coarse, padded.shape[-2:])
        if padded.shape != image.shape:
            rows = math.ceil(pixels.shape[-2] * height / padded.shape[-2])
            cols = math.ceil(pixels.shape[-1] * width / padded.shape[-1])
            logits, pixels, coarse = logits[..., :height, :width], pixels[..., :rows, :cols], coarse[..., :rows, :cols]
        return Output(logits, stages, pixels, coarse)

    def classify(self, pixels: Feature) -> Logits:
        """Scores of decoder features, at their resolution: dropout, then all heads."""
        pixels = self.dropout(pixels)
        return torch.cat([head(pixels) for head in self.heads], dim=1)

    def grow(self, num_new: int) -> None:
        """Append the head of a new step, on the device and in the precision of the others.

        With `options.init_balanced` it starts from the background (MiB, arXiv:2002.00718, eq. 10): its weights and
        bias are copies of the background's, row 0 of head 0, and the biases of the background and of the new classes
        are lowered by log(num_new + 1). So what was the background's probability is shared equally by it and the new
        classes, and no other class notices.
        """
        first = _conv(self.heads[0])
        head = nn.Conv2d(first.in_channels, num_new, 1, device=first.weight.device, dtype=first.weight.dtype)
        if self.options.init_balanced:
            _share_background(first, head)
        self.heads.append(head)

    def freeze_encoder(self) -> None:
        """Train the encoder no more: no gradients, and its norms keep their statistics, also after `train()`."""
        self._encoder_frozen = True
        self.encoder.requires_grad_(False)
        self.encoder.eval()

    def train(self, mode: bool = True) -> Self:
        """As any module, but a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self._encoder_frozen:
            self.encoder.eval()
        return self


@torch.no_grad()
def _share_background(first: nn.Conv2d, head: nn.Conv2d) -> None:
    """Start `head` from the background row of `first`, and lower both biases."""
    old, new = first.bias, head.bias
    if old is None or new is None:
        raise ValueError("heads have biases")
    old[BACKGROUND] -= math.log(head.out_channels + 1)
    new.copy_(old[BACKGROUND].expand_as(new))
    head.weight.copy_(first.weight[BACKGROUND].expand_as(head.weight))


def _conv(head: nn.Module) -> nn.Conv2d:
    """Heads are convolutions, which a ModuleList does not know."""
    if not isinstance(head, nn.Conv2d):
        raise TypeError(f"a head is a convolution, not {type(head).__name__}")
    return head
