"""State dicts as segmentation_models_pytorch writes them: invented ones, and those of our own segmenters, renamed."""

import re
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from saticl.models.segmenter import Segmenter
from saticl.options import ModelOptions

OPTIONS = ModelOptions(encoder="test_resnet", decoder="unet-smp", act="relu", dropout=0.0)
"""The smallest network that can be imported, as --encoder tu-test_resnet."""


def invented(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, Tensor]:
    """Weights that depend on order and shape only, now and in every later version of NumPy."""
    random = np.random.RandomState(7)  # the stream of this class is frozen
    return {name: torch.from_numpy(_tensor(random, name, shape)) for name, shape in shapes}


def invented_image(height: int = 64, width: int = 32) -> Tensor:
    """The image that goes with them, [1, 3, height, width]."""
    return torch.from_numpy(np.random.RandomState(8).standard_normal((1, 3, height, width)).astype(np.float32))


def with_mixed_signs(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same with every third scale of a norm below zero, as training leaves some."""
    return {
        name: value * torch.where(torch.arange(len(value)) % 3 == 2, -1.0, 1.0)
        if name.endswith("weight") and value.ndim == 1
        else value
        for name, value in state.items()
    }


def made(outputs: int = 3, bands: int = 3) -> Segmenter:
    """A network of theirs, but under our names: its single head has all outputs in their order."""
    segmenter = Segmenter(OPTIONS, bands, (outputs,), 64).eval()
    shapes = ((name, tuple(value.shape)) for name, value in segmenter.state_dict().items())
    segmenter.load_state_dict(invented(shapes))
    return segmenter


def as_theirs(segmenter: Segmenter, before: str = "") -> dict[str, Tensor]:
    """Its state dict under their names, with something before each."""
    return {before + their_name(name): value.clone() for name, value in segmenter.state_dict().items()}


def their_name(name: str) -> str:
    """body.decoder.blocks.2.3.0.weight to decoder.blocks.2.conv2.1.weight, and so on."""
    if match := re.fullmatch(r"body\.decoder\.blocks\.(\d)\.([0-3])\.(0\.)?(\w+)", name):
        block, place, _, tensor = match.groups()
        return f"decoder.blocks.{block}.conv{int(place) // 2 + 1}.{int(place) % 2}.{tensor}"
    name = name.replace("classifier.heads.0.", "segmentation_head.0.")
    return name.replace("body.encoder.maps.", "encoder.model.")


def shapes_of(state: Mapping[str, Tensor]) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes, as the golden files list them."""
    return [(name, tuple(value.shape)) for name, value in state.items()]


def _tensor(random: np.random.RandomState, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("num_batches_tracked"):
        return np.array(0)
    values = random.standard_normal(shape)
    if name.endswith("running_var"):
        values = np.exp(0.2 * values)
    elif len(shape) > 1:
        values *= (1.5 / np.prod(shape[1:])) ** 0.5
    else:
        values = 0.1 * values + name.endswith("weight")
    return np.asarray(values, dtype=np.float32)
