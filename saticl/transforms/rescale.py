"""The crop of street scenes and photographs: the image is made larger or smaller, then cut.

The recipe of the field's VOC and ADE experiments. Only the part that will be seen is resized, so that its cost depends
on the crop and not on the image.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from saticl.labels import IGNORE

Bands = NDArray[Any]
Bytes = NDArray[np.uint8]


class Cut(NamedTuple):
    """What one side of a crop shows."""

    source: slice
    """Pixels of the image that are seen."""
    place: slice
    """Where they lie in the crop."""


def rescaled_crop(
    image: Bands,
    planes: Sequence[Bands],
    size: int,
    factors: tuple[float, float],
    fill: Sequence[float],
    generator: np.random.Generator,
) -> tuple[Bands, list[Bands]]:
    """A crop [S, S, C] of the image [H, W, C] times a random factor, and the same crop of planes [H, W].

    The first plane is the mask. Where the image is too small, a random part of the border holds `fill`, one value per
    band, and is ignored; further planes are 0 there.
    """
    factor = float(generator.uniform(*factors))
    rows, cols = (_cut(length, size, factor, generator) for length in planes[0].shape)
    crop = np.empty((size, size, image.shape[-1]), image.dtype)
    crop[:] = filling(fill, image.dtype)
    extent = cols.place.stop - cols.place.start, rows.place.stop - rows.place.start
    seen = np.ascontiguousarray(image[rows.source, cols.source])
    crop[rows.place, cols.place] = cv2.resize(seen, extent, interpolation=cv2.INTER_LINEAR).reshape(
        extent[1], extent[0], -1
    )
    cuts = []
    for number, plane in enumerate(planes):
        cut = np.full((size, size), IGNORE if number == 0 else 0, plane.dtype)
        # The exact one takes the pixel in the middle, as the image does; the other is half a pixel off when shrinking.
        part = np.ascontiguousarray(plane[rows.source, cols.source])
        cut[rows.place, cols.place] = cv2.resize(part, extent, interpolation=cv2.INTER_NEAREST_EXACT)
        cuts.append(cut)
    return crop, cuts


def filling(values: Sequence[float], dtype: np.dtype[np.generic]) -> Bands:
    """A value per band in the type of the image: exact in floats, else the nearest whole number that the type has."""
    if dtype.kind == "f":
        return np.asarray(values).astype(dtype)
    limits = np.iinfo(dtype.name)
    within: Bands = np.clip(np.round(values), limits.min, limits.max).astype(dtype)
    return within


def _cut(length: int, size: int, factor: float, generator: np.random.Generator) -> Cut:
    """A random piece of a side that is longer than the crop, all of a shorter one at a random place."""
    wanted = max(1, round(size / factor))
    if length > wanted:
        start = int(generator.integers(length - wanted + 1))
        return Cut(slice(start, start + wanted), slice(0, size))
    shown = min(size, max(1, round(length * factor)))
    start = int(generator.integers(size - shown + 1))
    return Cut(slice(0, length), slice(start, start + shown))
