"""How a timm model has to be asked for, found out by trying: timm's models differ in what they accept.

Models are tried on torch's meta device, where building and running one costs a fraction of a second, no memory and
no arithmetic.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.layers.format import Format
from timm.models import PretrainedCfg
from torch import Tensor, nn

from saticl.errors import InvalidOptions, UnknownName
from saticl.options import ModelOptions

REFUSALS = (TypeError, ValueError, RuntimeError, AssertionError, NotImplementedError, LookupError, AttributeError)
"""What timm's models raise, each in its own way, when they cannot be built or run as asked."""


@dataclass(frozen=True)
class Blueprint:
    """What `create` needs."""

    name: str
    in_channels: int
    arguments: dict[str, Any]
    """Beyond the number of bands: image size and output stride, where the model takes them."""
    fixed_size: int | None
    """Side of the only images the model works with, None if it works with any."""


def draw(options: ModelOptions, in_channels: int, image_size: int | None) -> Blueprint:
    """The blueprint of an encoder that was seen to work.

    Raises:
        UnknownName: timm has no such model.
        InvalidOptions: it gives no feature maps for these images, or cannot have this output stride.
    """
    name = options.encoder
    require_known(name)
    stride, arguments = _strided(options, in_channels)
    config = timm.get_pretrained_cfg(name) or PretrainedCfg()
    size = -(-(image_size or config.input_size[-1]) // stride) * stride
    fixed_size = None
    if config.fixed_input_size:  # a model with position embeddings: some interpolate them, others are bound to a size
        arguments = arguments | {"img_size": size}
        flexible = arguments | {"dynamic_img_size": True}
        if _refusal(lambda: _sketch(Blueprint(name, in_channels, flexible, None))) is None:
            arguments = flexible
        else:
            fixed_size = size
    blueprint = Blueprint(name, in_channels, arguments, fixed_size)
    if refusal := _refusal(lambda: _try_out(blueprint, size)):
        raise InvalidOptions(
            f"Encoder {name!r} gives no feature maps for {in_channels} bands at {size} x {size} pixels ({refusal}); "
            "choose another --model.encoder (see `list encoders`) or another --image-size."
        )
    return blueprint


def create(blueprint: Blueprint) -> nn.Module:
    """The model, with random weights; called with an image it returns a list of maps."""
    model: nn.Module = timm.create_model(
        blueprint.name, features_only=True, in_chans=blueprint.in_channels, **blueprint.arguments
    )
    return model


def described(maps: nn.Module) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Channels and strides of the maps, shallow to deep."""
    info: Any = maps.feature_info
    return tuple(info.channels()), tuple(info.reduction())


def channels_first(maps: nn.Module) -> bool:
    """Whether maps come as [B, C, h, w]; Swin and a few others do not. A few say nothing; they do."""
    return getattr(maps, "output_fmt", Format.NCHW) == Format.NCHW


def require_known(name: str, besides: Collection[str] = ()) -> None:
    """Refuse names that timm does not know, with or without the name of pretrained weights (resnet34.a1_in1k).

    `besides` are names that are not timm's, and have no pretrained weights.

    Raises:
        UnknownName: with the nearest known name.
    """
    architecture, _, tag = name.partition(".")
    if architecture in besides:
        raise UnknownName("set of pretrained weights", name, [architecture])
    if not timm.is_model(architecture):
        raise UnknownName("encoder", architecture, [*timm.list_models(), *besides], " in timm")
    if tag and name not in (tagged := timm.list_pretrained(f"{architecture}.*")):
        raise UnknownName("set of pretrained weights", name, [architecture, *tagged])


def _strided(options: ModelOptions, in_channels: int) -> tuple[int, dict[str, Any]]:
    """The deepest stride, and the arguments that get it: none where the model has it, or a smaller one, by itself."""
    name = options.encoder
    plain = Blueprint(name, in_channels, {}, None)
    if refusal := _refusal(lambda: _sketch(plain)):
        raise InvalidOptions(f"Encoder {name!r} cannot be built for {in_channels} bands ({refusal}).")
    stride, wanted = max(described(_sketch(plain))[1]), options.output_stride
    if stride <= wanted or wanted == 32:  # 32 is the default, and means: as it is
        return stride, {}
    arguments = {"output_stride": wanted}
    dilated = Blueprint(name, in_channels, arguments, None)
    if _refusal(lambda: _sketch(dilated)) or max(described(_sketch(dilated))[1]) > wanted:
        raise InvalidOptions(
            f"Encoder {name!r} cannot have an output stride of {wanted}: leave --model.output-stride out, or choose "
            "an encoder that can dilate its convolutions, such as resnet34 or efficientnet_b0."
        )
    return wanted, arguments


def _sketch(blueprint: Blueprint) -> nn.Module:
    """The model without memory."""
    with torch.device("meta"):
        return create(blueprint)


def _try_out(blueprint: Blueprint, size: int) -> None:
    maps = _sketch(blueprint).eval()
    with torch.no_grad():
        stages: list[Tensor] = maps(torch.empty(1, blueprint.in_channels, size, size, device="meta"))
    axis = 1 if channels_first(maps) else -1
    shapes = [tuple(stage.shape) for stage in stages]
    if not stages or any(len(s) != 4 or s[axis] != c for s, c in zip(shapes, described(maps)[0], strict=True)):
        raise ValueError(f"shapes {shapes}")


def _refusal(attempt: Callable[[], object]) -> str | None:
    """Why something does not work, None if it does."""
    try:
        attempt()
    except REFUSALS as error:
        return f"timm: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    return None
