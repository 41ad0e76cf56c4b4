"""segmentation_models_pytorch: `Unet` with its own defaults, around a ResNet of its own or an encoder of timm (`tu-`).

Its own ResNets have the names and the arithmetic of torchvision's, and so have timm's. Attention in the decoder, fewer
stages and other widths show in names and shapes, and are refused; another interpolation than "nearest" shows nowhere.
"""

import re
from collections.abc import Iterable

from saticl.errors import InvalidOptions
from saticl.models.blueprint import require_known
from saticl.models.foreign.architecture import Outputs
from saticl.models.weights import State, flat
from saticl.options import ModelOptions, OutputStride

RESNETS = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x4d", "resnext101_32x8d", "resnext101_32x16d", "resnext101_32x32d"),
)
"""SMP's own encoders that timm has under the same name."""

STRIDES = ((2, 4, 8, 16, 32), (4, 8, 16, 32))
"""Of the maps of an encoder; for others SMP chooses other maps than timm does by itself."""

ENCODER = "body.encoder.maps."
BLOCK = re.compile(r"decoder\.blocks\.(\d+)\.conv([12])\.([01])\.(\w+)")
"""Decoder block, first or second convolution, convolution or norm, and the tensor."""


class SMPUNet:
    """The row `smp-unet`."""

    head = "segmentation_head.0"
    unused: tuple[str, ...] = ("classification_head.",)

    def options(self, encoder: str, output_stride: OutputStride | None) -> ModelOptions:
        """The U-Net around `tu-<any timm encoder>` or one of SMP's own ResNets.

        Raises:
            UnknownName: timm has no such encoder. InvalidOptions: an encoder of SMP's own that timm does not have, or
                another stride than the encoder's own, which that U-Net does not have.
        """
        if output_stride is not None:
            raise InvalidOptions("--architecture smp-unet has the strides of its encoder: leave --output-stride out.")
        name = encoder.removeprefix("tu-")
        if name == encoder and encoder not in RESNETS:
            raise InvalidOptions(
                f"The encoder {encoder!r} cannot be imported: give --encoder as it was given to "
                f"segmentation_models_pytorch, which is tu- before the name of a timm encoder, or one of "
                f"{', '.join(RESNETS)}."
            )
        require_known(name)
        return ModelOptions(encoder=name, decoder="unet-smp", act="relu", norm="std", dropout=0.0)

    def require_strides(self, reductions: tuple[int, ...], encoder: str) -> None:
        """Maps of half to 1/32 of the image's size, or of 1/4 to 1/32.

        Raises:
            InvalidOptions: others.
        """
        if reductions not in STRIDES:
            raise InvalidOptions(
                f"The encoder {encoder!r} cannot be imported: its maps are {', '.join(map(str, reductions))} times "
                "smaller than the image, and only encoders with 2, 4, 8, 16, 32 or 4, 8, 16, 32 can be taken over."
            )

    def outputs(self, state: State) -> Outputs:
        """The last convolution."""
        return Outputs(state.pop(f"{self.head}.weight"), state.pop(f"{self.head}.bias", None))

    def renamed(self, names: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
        """Encoders as timm's, whose dots and underscores differ from wrapper to wrapper; decoders by their blocks."""
        maps = {flat(name.removeprefix(ENCODER)): name for name in wanted if name.startswith(ENCODER)}
        found: dict[str, str] = {}
        for name in names:
            if name.startswith("encoder."):
                if ours := maps.get(flat(name.removeprefix("encoder."))):
                    found[name] = ours
            elif match := BLOCK.fullmatch(name):
                block, second, norm, tensor = match.groups()
                place = 2 * (int(second) - 1) + int(norm)
                found[name] = f"body.decoder.blocks.{block}.{place}.{'0.' * int(norm)}{tensor}"
        return found
