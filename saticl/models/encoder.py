"""Any timm model that gives feature maps, or one of ours, as an encoder for any number of bands and any image size."""

from typing import Any, Self

import torch.nn.functional as F
from torch import Tensor, nn

from saticl.errors import InvalidOptions
from saticl.models import weights
from saticl.models.blueprint import channels_first, create, described, draw, require_known
from saticl.models.exact import load_published
from saticl.models.norm import swap_norms
from saticl.models.own_encoders import OWN_ENCODERS
from saticl.options import ModelOptions
from saticl.types import Feature, Image


class Encoder(nn.Module):
    """The feature maps of an image, shallow to deep.

    Nothing about a model is assumed: channels and strides are read from timm, sizes from the maps. So maps may start
    at stride 2, 4 (TResNet, ConvNeXt, Swin) or 16 (vision transformers), and there may be three to six of them.

    Attributes:
        channels: of each map.
        reductions: stride of each map.
        stride: the deepest map's; image sides are padded to a multiple of it.
        fixed_size: the one image side the encoder works at, or None if it works at any.

    Raises:
        UnknownName: timm has no such model.
        InvalidOptions: it gives no feature maps for these images, or cannot have this output stride.
        InvalidCheckpoint: its weights are missing or do not fit.
    """

    def __init__(self, options: ModelOptions, in_channels: int, image_size: int | None = None) -> None:
        super().__init__()
        if options.encoder in OWN_ENCODERS:
            self._build_own(options, in_channels)
        else:
            self._build_timm(options, in_channels, image_size)
        self.stride = max(self.reductions)
        self._frozen = False

    def _build_timm(self, options: ModelOptions, in_channels: int, image_size: int | None) -> None:
        require_known(options.encoder, OWN_ENCODERS)
        blueprint = draw(options, in_channels, image_size)
        self.fixed_size = blueprint.fixed_size
        self.maps = create(blueprint)
        self.channels, self.reductions = described(self.maps)
        self._channels_first = channels_first(self.maps)
        if options.weights is not None:
            weights.load_file(self.maps, blueprint, options.weights)
        elif options.pretrained:
            weights.load_pretrained(self.maps, blueprint)
        swap_norms(self.maps, options.norm)

    def _build_own(self, options: ModelOptions, in_channels: int) -> None:
        name = options.encoder
        own: Any = OWN_ENCODERS[name](options, in_channels)  # an encoder and a module, which types cannot say
        self.maps, self.fixed_size, self._channels_first = own, None, True
        self.channels, self.reductions = own.channels, own.reductions
        if options.weights is not None:
            load_published(own, own.published, options.weights, name, in_channels)
        elif options.pretrained:
            raise InvalidOptions(
                f"timm has no weights of {name!r}: give a file with --model.weights FILE, without --model.pretrained."
            )

    def freeze(self) -> None:
        """Learn no more: no gradients, and its norms keep their statistics, also after `train()`."""
        self._frozen = True
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """As any module, but a frozen encoder stays in evaluation mode."""
        return super().train(mode and not self._frozen)

    def forward(self, image: Image) -> tuple[Feature, ...]:
        """[B, C, H, W] to [B, channels[i], H / reductions[i], W / reductions[i]] per stage, of the padded image."""
        stages: list[Tensor] = self.maps(self.pad(image))
        if self._channels_first:
            return tuple(stages)
        return tuple(stage.permute(0, 3, 1, 2) for stage in stages)

    def pad(self, image: Image) -> Image:
        """Continue the image's last row and column until its sides fit the encoder; nothing if they do.

        Raises:
            InvalidOptions: the encoder has a fixed size, and the image is larger.
        """
        height, width = image.shape[-2:]
        if self.fixed_size is None:
            below, right = (_multiple(side, self.stride) - side for side in (height, width))
        else:
            below, right = self.fixed_size - height, self.fixed_size - width
            if min(below, right) < 0:
                raise InvalidOptions(
                    f"This encoder works at {self.fixed_size} x {self.fixed_size} pixels and got {height} x {width}: "
                    "leave --image-size at the size of the tiles, or choose an encoder for any size, such as resnet34."
                )
        return F.pad(image, (0, right, 0, below), mode="replicate") if below or right else image


def _multiple(side: int, stride: int) -> int:
    """The next multiple. Not by a negative number's remainder, which torch's compiler cannot work with."""
    return (side + stride - 1) // stride * stride
