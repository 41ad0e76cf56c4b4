"""A trained step as an object: raw images in, probabilities and class maps out.

`test`, the end of `train`, `predict`, and all that applies a trained step go through it, which is why the number that
`train` prints is the number that `test` prints. It holds what is needed and asks no other file: network, task, class
names, colours, bands, normalisation, precision, and how the method that trained it turns scores into probabilities.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from saticl.engine.checkpoint import load_model
from saticl.engine.device import make_accelerator
from saticl.engine.evaluate import applied, outputs
from saticl.errors import InvalidOptions
from saticl.geo.imagery import Patch
from saticl.geo.nodata import either
from saticl.geo.windows import Window
from saticl.inference.classes import class_map
from saticl.inference.making import make_map
from saticl.inference.maps import Place, Wanted
from saticl.inference.sliding import Band, Tiling, Windows, blended, symmetric
from saticl.labels import Colour
from saticl.methods import load
from saticl.methods.base import Method
from saticl.options import ModelOptions, TrainerOptions
from saticl.runs.folder import find_steps
from saticl.runs.step import StepInfo
from saticl.tasks import Task
from saticl.transforms.normalize import Normalize
from saticl.types import Batch, Output

Raster = NDArray[Any]
"""Raw pixels of an image [C, H, W], of any type."""

Bytes = NDArray[np.uint8]


def normalization(info: StepInfo, device: torch.device) -> Normalize:
    """What every image passes before the network of that step, in training and later; the one place that makes it."""
    return Normalize(info.mean, info.std).to(device)


@dataclass(frozen=True)
class Predictor:
    """A trained step, ready on the device of this process, in the precision it was trained in where that works."""

    network: nn.Module
    info: StepInfo
    accelerator: Accelerator
    """The processes among which work is shared."""
    device: torch.device
    """Where it computes."""
    normalize: Normalize
    method: type[Method]
    """The method that trained it, which says what the network's output means."""

    @classmethod
    def open(
        cls,
        run: Path | str,
        step: int | None = None,
        device: str | torch.device | None = None,
        accelerator: Accelerator | None = None,
    ) -> Self:
        """A finished step: of the folder of a run the last one or that of the number, or of its own folder.

        It computes on `device` ("cpu", "cuda:1"), by default on a GPU if there is one.

        Raises:
            InvalidCheckpoint: nothing finished there, or it does not fit. NonFiniteWeights: it predicts nothing.
        """
        (found,) = find_steps(Path(run), step)
        network, info = load_model(found.model)
        network.eval()  # for good: threads that share it would put each other's back into training
        return cls.of(network, info, accelerator or scoring_accelerator(), device)

    @classmethod
    def of(
        cls, network: nn.Module, info: StepInfo, accelerator: Accelerator, device: str | torch.device | None = None
    ) -> Self:
        """A network that is there already, such as the student at the end of training; it is used, not copied."""
        place = accelerator.device if device is None else torch.device(device)
        network.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(network, info, accelerator, place, normalization(info, place), load(info.method))

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

    def __call__(self, image: Raster, valid: NDArray[np.bool_] | None = None, tiling: Tiling | None = None) -> Bytes:
        """The class map [H, W] of an image of any size: output indices, IGNORE (255) where there are no data.

        Args:
            image: raw pixels [C, H, W] of the bands that the step reads.
            valid: [H, W], where the image holds data; None: everywhere. What is not finite is no data in any case.
            tiling: how it is divided; None: `default_tiling`.

        Raises:
            InvalidOptions: another shape or number of bands.
        """
        parts = [class_map(band) for band in self.bands_of(image, valid, tiling)]
        return np.concatenate(parts)

    def probabilities(
        self, image: Raster, valid: NDArray[np.bool_] | None = None, tiling: Tiling | None = None
    ) -> NDArray[np.float32]:
        """Probabilities [K, H, W] of the classes, arguments as of `__call__`; not a number where there are no data."""
        parts = []
        for band in self.bands_of(image, valid, tiling):
            values = np.full((len(self.names), *band.invalid.shape), np.nan, np.float32)
            if len(band.probabilities):
                np.copyto(values, band.probabilities.cpu().numpy(), where=~band.invalid)
            parts.append(values)
        return np.concatenate(parts, axis=1)

    def bands_of(self, image: Raster, valid: NDArray[np.bool_] | None, tiling: Tiling | None) -> Iterator[Band]:
        """The rows of an image, finished from top to bottom."""
        if image.ndim != 3 or len(image) != len(self.bands) or not image.size:
            raise InvalidOptions(self._misfit(image.shape))
        height, width = image.shape[1:]
        lost = np.asarray(~np.isfinite(image).all(0)) if image.dtype.kind == "f" else None
        empty = either(None if valid is None else ~valid, lost)

        def read(window: Window) -> Patch:
            return Patch(image[:, *window.slices], None, None if empty is None else empty[window.slices])

        chosen = tiling or self.default_tiling
        windows = Windows(height, width, chosen.size, chosen.overlap)
        with self.applied() as network:
            yield from blended(read, symmetric(network, chosen.views), windows, self.info.mean, chosen.batch_size)

    def scene(self, source: str | Path, dst: Path | str, wanted: Wanted | None = None) -> Path:
        """Write the map of an image file of any size to `dst` (.tif, or .png for a picture); a finished one stays.

        Raises:
            SaticlError: an image that cannot be read or has other bands, a file that is no map at `dst`, a disk that
                is full.
        """
        place = Place(str(source), Path(dst))
        make_map(self, place, wanted or Wanted(self.default_tiling), lambda rows: None)
        return place.dst

    @cached_property
    def checksum(self) -> str:
        """What the weights are recognised by."""
        crc = 0
        for name, tensor in self.network.state_dict().items():
            crc = zlib.crc32(tensor.detach().cpu().contiguous().numpy().tobytes(), zlib.crc32(name.encode(), crc))
        return f"{crc:08x}"

    @property
    def default_tiling(self) -> Tiling:
        """Windows of 512 pixels, or of the size that the encoder was built for, a quarter of it shared."""
        size = (
            getattr(getattr(getattr(self.network, "body", None), "encoder", None), "fixed_size", None) or Tiling.size
        )
        return Tiling(size, size // 4)

    @contextmanager
    def applied(self) -> Iterator[Callable[[Tensor], Tensor]]:
        """What gives probabilities [B, K, H, W] of raw images [B, C, H, W], for many batches."""
        with applied(self.network, self.normalize, self.device, self.info.precision) as apply:
            yield lambda images: self.method.decode(apply(images))

    def batch(self, images: Tensor) -> Tensor:
        """Probabilities [B, K, H, W] float32 on the device of raw images [B, C, H, W] of any type, in one go.

        Raises:
            InvalidOptions: another shape or number of bands.
        """
        if images.ndim != 4 or images.shape[1] != len(self.bands):
            raise InvalidOptions(self._misfit(images.shape[1:] if images.ndim == 4 else images.shape))
        with self.applied() as network:
            return network(images)

    def over(self, batches: Iterable[Batch]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (probabilities [B, K, H, W], target [B, H, W]) on the device, one batch at a time, in order."""
        for output, target in self.outputs(batches):
            yield self.method.decode(output), target

    def outputs(self, batches: Iterable[Batch]) -> Iterator[tuple[Output, Tensor]]:
        """Yield (output of the network, target), before its meaning; see `evaluate.outputs`."""
        return outputs(self.network, batches, self.normalize, self.device, self.info.precision)

    def _misfit(self, shape: Sequence[int]) -> str:
        return (
            f"An image of the shape {list(shape)} does not fit this step, which reads [{len(self.bands)}, height, "
            f"width] with the bands {', '.join(self.bands)}."
        )


def scoring_accelerator() -> Accelerator:
    """Device and processes for applying trained steps; each brings its own precision."""
    return make_accelerator(TrainerOptions(), ModelOptions())
