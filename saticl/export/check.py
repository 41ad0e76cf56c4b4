"""Whether an exported file computes what the step computes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from saticl.errors import InvalidOptions
from saticl.export.portable import Portable

TOLERANCE = 1e-4
"""Largest difference between two probabilities that are called the same."""

Run = Callable[[Tensor], Tensor]
"""An exported file at work: raw tiles to probabilities."""

SIZES = ((1, 1, 1), (2, 33, 97), (3, 64, 64))
"""Tiles, height and width: a single pixel, odd sides, and sides that need no padding."""


def sizes(tile_size: int | None, image_size: int) -> Sequence[tuple[int, int, int]]:
    """What is tried: one size where a model takes no other, else small ones, and one beyond the training views."""
    if tile_size is not None:
        return [(1, tile_size, tile_size), (3, tile_size, tile_size)]
    return [*SIZES, (1, image_size + 1, image_size - 1 or 1)]


def largest_difference(step: Portable, run: Run, tile_size: int | None) -> float:
    """Largest difference between the step and its exported file over random tiles of several sizes.

    Raises:
        InvalidOptions: a difference above `TOLERANCE`, a result of another shape, or none.
    """
    worst = 0.0
    for size in sizes(tile_size, step.info.image_size):
        tiles = step.tiles(*size)
        with torch.no_grad():
            expected = step(tiles)
        try:
            found = run(tiles)
        except Exception as error:  # onnxruntime and TorchScript have no error in common
            raise _unfit(step, size, f"it fails ({type(error).__name__})", tile_size) from error
        if found.shape != expected.shape:
            raise _unfit(step, size, f"it gives {list(found.shape)} for {list(expected.shape)}", tile_size)
        difference = float((found - expected).abs().max())
        if not difference <= TOLERANCE:  # NaN is no number to be above
            raise _unfit(step, size, f"probabilities differ by up to {difference:.1e}", tile_size)
        worst = max(worst, difference)
    return worst


def _unfit(step: Portable, size: tuple[int, int, int], what: str, tile_size: int | None) -> InvalidOptions:
    count, height, width = size
    remedy = "Choose another --format."
    if tile_size is None:
        remedy = f"Such encoders export at one size: add --tile-size {step.info.image_size}."
    return InvalidOptions(
        f"The exported {step.info.model.encoder} is not what was trained: for {count} x {height} x {width} pixels "
        f"{what}. Nothing was written. {remedy}"
    )
