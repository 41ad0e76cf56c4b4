"""Bodies: what gives a segmenter its maps. The table says which there are.

A new one is one file and one row: another decoder for timm's encoders (`EncoderDecoder` does the rest), or a network
of its own that keeps the promises of `Body`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from torch import nn

from saticl.models.aspp import ASPP
from saticl.models.deeplabv3 import DeepLabV3
from saticl.models.deeplabv3plus import DeepLabV3Plus
from saticl.models.encoder import Encoder
from saticl.models.erfnet import ERFNetDecoder
from saticl.models.fpn import FPN
from saticl.models.norm import ActName, NormName
from saticl.models.segformer import SegFormer
from saticl.models.stages import Stages
from saticl.models.unet import UNet
from saticl.models.unet_smp import UNetSMP
from saticl.models.upernet import UPerNet
from saticl.options import ModelOptions
from saticl.types import Feature, Image


class Body(Protocol):
    """What a segmenter needs of the network in front of its classifier. Bodies are torch modules, too."""

    width: int
    """Channels of the pixels."""
    kernel: int
    """Side of the heads' kernels: 1, a head sees one pixel; 3, also the eight around it; 2, it makes four of one."""

    def pad(self, image: Image) -> Image:
        """Continue an image to the right and below, to sides that the body can work with; nothing if they fit."""
        ...

    def freeze(self) -> None:
        """Learn no more: no gradients, and norms keep their statistics, also after `train()`.

        Each body says which part of it this is: a decoder, for example, still learns.
        """
        ...

    def __call__(self, image: Image) -> tuple[tuple[Feature, ...], Feature]:
        """A padded image to its stages, shallow to deep, and its pixels [B, width, h, w]."""
        ...


class MakeBody(Protocol):
    """A row of the table; errors are those of `Segmenter`."""

    def __call__(self, options: ModelOptions, in_channels: int, image_size: int | None) -> Body:
        """The body for images with that many bands, and of that size where it wants to know."""
        ...


class Decoder(Protocol):
    """Joins the maps of an encoder into one. Decoders are torch modules, too."""

    width: int
    """Channels of the result."""
    kernel: int
    """Side of the heads' kernels on the result."""

    def __call__(self, stages: Sequence[Feature]) -> Feature:
        """Maps from shallow to deep to the pixels."""
        ...


class MakeDecoder(Protocol):
    """A decoder's class.

    Raises:
        InvalidOptions: the decoder can do nothing with these maps.
    """

    def __call__(self, stages: Stages, norm: NormName, act: ActName) -> Decoder:
        """The decoder for these maps."""
        ...


class EncoderDecoder(nn.Module):
    """A body made of any encoder of timm and a decoder. Frozen, only the decoder learns."""

    def __init__(
        self, decoder: MakeDecoder, options: ModelOptions, in_channels: int, image_size: int | None = None
    ) -> None:
        super().__init__()
        self.encoder = Encoder(options, in_channels, image_size)
        stages = Stages(options.encoder, self.encoder.channels, self.encoder.reductions, image_size)
        self.decoder = decoder(stages, options.norm, options.act)
        self.width, self.kernel = self.decoder.width, self.decoder.kernel

    def pad(self, image: Image) -> Image:
        """As the encoder wants it."""
        return self.encoder.pad(image)

    def freeze(self) -> None:
        """Freeze the encoder."""
        self.encoder.freeze()

    def forward(self, image: Image) -> tuple[tuple[Feature, ...], Feature]:
        """The encoder's maps, and what the decoder makes of them."""
        stages: tuple[Feature, ...] = self.encoder(image)
        return stages, self.decoder(stages)


def _of_channels(decoder: Callable[[Sequence[int], NormName, ActName], Decoder]) -> MakeDecoder:
    """A decoder that reads sizes from the maps themselves and wants to know their channels only."""
    return lambda stages, norm, act: decoder(stages.channels, norm, act)


DECODERS: Mapping[str, MakeDecoder] = {
    "unet": _of_channels(UNet),
    "unet-smp": _of_channels(UNetSMP),
    "deeplabv3": DeepLabV3,
    "deeplabv3-aspp": ASPP,
    "deeplabv3plus": DeepLabV3Plus,
    "fpn": FPN,
    "upernet": UPerNet,
    "segformer": SegFormer,
    "erfnet": ERFNetDecoder,
}
"""For every encoder, by the name that `--model.decoder` takes."""

BODIES: Mapping[str, MakeBody] = {name: partial(EncoderDecoder, decoder) for name, decoder in DECODERS.items()}
"""By the name that `--model.decoder` takes."""
