"""A trained step as an object: raw images in, probabilities and class maps out.

`test`, the end of `train`, and all that applies a trained step go through it, which is why the number that `train`
prints is the number that `test` prints. It holds what is needed and asks no other file: network, task, class names,
colours, bands, normalisation, precision, and how the method that trained it turns scores into probabilities.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from saticl.engine.checkpoint import load_model
from saticl.engine.device import make_accelerator
from saticl.engine.evaluate import outputs
from saticl.errors import InvalidOptions
from saticl.labels import Colour
from saticl.methods import load
from saticl.methods.base import Method
from saticl.options import ModelOptions, TrainerOptions
from saticl.runs.folder import MODEL_FILE
from saticl.runs.step import StepInfo
from saticl.tasks import Task
from saticl.transforms.normalize import Normalize
from saticl.types import Batch, Output


def normalization(info: StepInfo, device: torch.device) -> Normalize:
    """What every image passes before the network of that step, in training and later; the one place that makes it."""
    return Normalize(info.mean, info.std).to(device)


@dataclass(frozen=True)
class Predictor:
    """A trained step, ready on the device of this process, in the precision it was trained in where that works."""

    network: nn.Module
    info: StepInfo
    accelerator: Accelerator
    normalize: Normalize
    method: type[Method]
    """The method that trained it, which says what the network's output means."""

    @classmethod
    def open(cls, folder: Path, accelerator: Accelerator | None = None) -> Self:
        """The finished step in a folder; without an accelerator on a GPU if there is one, else on the CPU.

        Raises:
            InvalidCheckpoint: nothing finished there, or it does not fit. NonFiniteWeights: it predicts nothing.
        """
        network, info = load_model(folder / MODEL_FILE)
        return cls.of(network, info, accelerator or scoring_accelerator())

    @classmethod
    def of(cls, network: nn.Module, info: StepInfo, accelerator: Accelerator) -> Self:
        """A network that is there already, such as the student at the end of training; it is used, not copied."""
        network.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(network, info, accelerator, normalization(info, accelerator.device), load(info.method))

    @property
    def task(self) -> Task:
        """What it has learned."""
        return self.info.task

    @property
    def names(self) -> tuple[str, ...]:
        """Class names by output index, background first."""
        return self.task.names

    @property
    def colours(self) -> list[Colour]:
        """Colours by output index."""
        return self.info.output_colours

    @property
    def bands(self) -> tuple[str, ...]:
        """What the channels of an image are, in this order."""
        return self.info.bands

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        device: torch.device = self.accelerator.device
        return device

    def probabilities(self, images: Tensor) -> Tensor:
        """Probabilities [B, K, H, W] float32 on the device of raw images [B, C, H, W] of any type.

        Raises:
            InvalidOptions: another number of bands.
        """
        return self.method.decode(self._output(images))

    def classes(self, images: Tensor) -> Tensor:
        """Output index of every pixel, uint8 [B, H, W] on the device, of raw images [B, C, H, W].

        Raises:
            InvalidOptions: another number of bands.
        """
        return self.method.classes(self._output(images)).to(torch.uint8)

    def over(self, batches: Iterable[Batch]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (probabilities [B, K, H, W], target [B, H, W]) on the device, one batch at a time, in order."""
        for output, target in self.outputs(batches):
            yield self.method.decode(output), target

    def outputs(self, batches: Iterable[Batch]) -> Iterator[tuple[Output, Tensor]]:
        """Yield (output of the network, target), before its meaning; see `evaluate.outputs`."""
        return outputs(self.network, batches, self.normalize, self.accelerator, self.info.precision)

    def _output(self, images: Tensor) -> Output:
        if images.ndim != 4 or images.shape[1] != len(self.bands):
            raise InvalidOptions(
                f"A batch of images of the shape {list(images.shape)} does not fit this step, which reads [images, "
                f"{len(self.bands)}, height, width] with the bands {', '.join(self.bands)}."
            )
        ((output, _),) = self.outputs([Batch(images, torch.empty(0))])
        return output


def scoring_accelerator() -> Accelerator:
    """Device and processes for applying trained steps; each brings its own precision."""
    return make_accelerator(TrainerOptions(), ModelOptions())
