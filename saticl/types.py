"""Words everybody shares: tensor aliases with their shapes, and the records that cross module borders.

One alphabet of dimensions for the whole project: B batch, C bands, K classes seen so far (background first),
D feature channels, H W image, h w feature map.
"""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

Image = Tensor
"""[B, C, H, W] float32, normalised."""

Labels = Tensor
"""[B, H, W] int64: output index, or IGNORE (`saticl.labels`)."""

Logits = Tensor
"""[B, K, H, W], background first."""

Feature = Tensor
"""[B, D, h, w]."""

Scalar = Tensor
"""[]."""

Terms = dict[str, Tensor]
"""Named, already weighted summands of a loss."""


class Batch(NamedTuple):
    """What the engine hands to a method."""

    image: Image
    target: Labels
    maps: Mapping[str, Tensor] = {}
    """[B, H, W] by name: the further maps that the method has asked for, cut and turned as the image is."""


class Output(NamedTuple):
    """What a segmenter returns. A named tuple, because accelerate converts those back to float32."""

    logits: Logits
    """Scores at the size of the image: `coarse`, bilinearly resized, or finer ones whose means are `coarse`."""
    stages: tuple[Feature, ...]
    """The encoder's maps, shallow to deep."""
    pixels: Feature
    """The decoder's last map, before dropout: what the heads see."""
    coarse: Logits
    """Scores at the decoder's resolution."""
