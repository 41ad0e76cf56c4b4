"""The MiB family (MiB, PLOP, LGKD and others that kept its network): a ResNet with In-Place ABN and its DeepLabV3.

Files are those that its training writes per step: `model_state` with `body.*`, `head.*` and one classifier per step,
`cls.<step>.*`, whose first output is the background. Here they become one head. Norms are taken to be In-Place ABN,
its default; a file does not say whether plain ABN was used, which takes scales below zero as they are.
"""

import re
from collections.abc import Iterable

import torch
from torch import Tensor

from saticl.errors import InvalidOptions
from saticl.models.foreign.architecture import Outputs
from saticl.models.weights import State
from saticl.options import ModelOptions, OutputStride

BACKBONES = ("resnet101", "resnet50")
CLASSIFIER = re.compile(r"cls\.(\d+)\.(weight|bias)")


class MiB:
    """The row `mib`."""

    head = "cls.0"
    unused: tuple[str, ...] = ()

    def options(self, encoder: str, output_stride: OutputStride | None) -> ModelOptions:
        """DeepLabV3 around `--backbone`, at a stride of 16 unless another is given.

        Raises:
            InvalidOptions: another backbone, or a stride of 32, which that code does not have.
        """
        if encoder not in BACKBONES:
            raise InvalidOptions(
                f"The encoder {encoder!r} cannot be imported: give --encoder as it was given to the program as "
                f"--backbone, {' or '.join(BACKBONES)}."
            )
        if output_stride == 32:
            raise InvalidOptions("--output-stride of mib is 8 or 16, as it was given to the program.")
        return ModelOptions(
            encoder=f"{encoder}-iabn",
            decoder="deeplabv3",
            norm="abn",
            output_stride=output_stride or 16,
            dropout=0.0,
        )

    def require_strides(self, reductions: tuple[int, ...], encoder: str) -> None:
        """Any: they are those that were asked for."""

    def outputs(self, state: State) -> Outputs:
        """All classifiers in the order of their steps, as one.

        Taken out are those of steps 0, 1, and so on; what is left then, of a step behind a gap, fits nowhere.
        """
        weights: list[Tensor] = []
        biases: list[Tensor] = []
        while f"cls.{len(weights)}.weight" in state and f"cls.{len(weights)}.bias" in state:
            step = len(weights)
            weights.append(state.pop(f"cls.{step}.weight"))
            biases.append(state.pop(f"cls.{step}.bias"))
        if not weights or any(w.shape[1:] != weights[0].shape[1:] for w in weights):
            return Outputs(state.pop("cls.0.weight", torch.empty(0)), None)
        return Outputs(torch.cat(weights), torch.cat(biases))

    def renamed(self, names: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
        """One to one: norms of the head have a number more here, because an activation stands behind them."""
        del wanted
        return {name: _ours(name) for name in names}


def _ours(name: str) -> str:
    """body.mod1.conv1.weight to body.encoder.maps.mod1.conv1.weight, and so on."""
    place, _, tensor = name.partition(".")
    if place == "body":
        return f"body.encoder.maps.{tensor}"
    return f"body.decoder.{tensor.replace('_bn.', '_bn.0.')}" if place == "head" else name
