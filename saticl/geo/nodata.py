"""Which pixels of a raster hold no data."""

from typing import Any

import numpy as np
import rasterio.windows
from rasterio import DatasetReader
from rasterio.enums import MaskFlags

from saticl.geo.palette import Flags
from saticl.geo.raster import Array, read_bands
from saticl.geo.windows import Window

LARGEST = 2**16 - 1
"""The largest value of an image of 16 bits: a nodata value from 0 to here may also be a measurement."""


def without_data(source: DatasetReader, image: Array, window: Window) -> Flags | None:
    """Pixels that the file declares empty: by its nodata value, by transparency, or by not a number."""
    invalid = blank(image, source.nodata)
    if source.count > len(image):
        return either(invalid, read_bands(source, [source.count], window)[0] == 0)
    if MaskFlags.per_dataset in source.mask_flag_enums[0] and MaskFlags.alpha not in source.mask_flag_enums[0]:
        place = rasterio.windows.Window(window.col, window.row, window.width, window.height)
        return either(invalid, np.asarray(source.dataset_mask(window=place) == 0))
    return invalid


def blank(pixels: Array, nodata: float | None) -> Flags | None:
    """Pixels [H, W] that hold no data by their numbers; None where there are none.

    Not a number in one band is enough, and so is a nodata value that no image measures, such as -9999. Any other, such
    as 0 or 255, may be a shadow or a bright roof: it must stand in all bands.
    """
    invalid: Flags | None = None
    if nodata is not None and np.isfinite(nodata) and _fits(nodata, pixels.dtype):
        found = pixels == pixels.dtype.type(nodata)
        invalid = found.all(axis=0) if 0 <= nodata <= LARGEST else found.any(axis=0)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        invalid = either(invalid, np.logical_not(np.isfinite(pixels).all(axis=0)))
    return invalid if invalid is not None and invalid.any() else None


def either(one: Flags | None, other: Flags | None) -> Flags | None:
    """Pixels flagged by one or the other, where None flags nothing."""
    if one is None or other is None:
        return other if one is None else one
    return one | other


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return abs(value) <= float(np.finfo(dtype).max)
    return value.is_integer() and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
