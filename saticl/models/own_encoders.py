"""Encoders that timm does not have. Like timm's, they go with every decoder."""

from collections.abc import Mapping
from functools import partial
from typing import Protocol

from saticl.models.erfnet import ERFNetEncoder
from saticl.models.exact import Published
from saticl.models.resnet_abn import ResNetABN
from saticl.options import ModelOptions
from saticl.types import Feature, Image


class OwnEncoder(Protocol):
    """What `Encoder` needs of a network. These are torch modules, too."""

    channels: tuple[int, ...]
    """Of each map."""
    reductions: tuple[int, ...]
    """Stride of each map."""
    published: Published
    """How files of its weights look."""

    def __call__(self, image: Image) -> list[Feature]:
        """An image, whose sides the deepest stride divides, to its maps, shallow to deep."""
        ...


class MakeEncoder(Protocol):
    """A row of the table."""

    def __call__(self, options: ModelOptions, in_channels: int) -> OwnEncoder:
        """The encoder for images with that many bands, with random weights."""
        ...


OWN_ENCODERS: Mapping[str, MakeEncoder] = {
    "erfnet": ERFNetEncoder,
    "resnet50-iabn": partial(ResNetABN, (3, 4, 6, 3)),
    "resnet101-iabn": partial(ResNetABN, (3, 4, 23, 3)),
}
"""By the name that `--model.encoder` takes."""
