"""Which pixels of a raster hold no data."""

from typing import Any

import numpy as np
from rasterio import DatasetReader
from rasterio.enums import ColorInterp, MaskFlags

from saticl.geo.palette import Flags
from saticl.geo.raster import Array, read_bands, read_mask
from saticl.geo.windows import Window

LARGEST = 2**16 - 1
"""The largest value of an image of 16 bits: a nodata value from 0 to here may also be a measurement."""


def without_data(source: DatasetReader, image: Array, window: Window, nodata: float | None) -> Flags | None:
    """Pixels [H, W] of an image that are empty: by a value, by transparency or a mask, or by not a number.

    `image` are the bands [C, H, W] that were read from the window, without transparency.
    """
    invalid = blank(image, nodata)
    if source.count > len(image) and source.colorinterp[-1] == ColorInterp.alpha:
        return either(invalid, read_bands(source, [source.count], window)[0] == 0)
    if MaskFlags.per_dataset in source.mask_flag_enums[0] and MaskFlags.alpha not in source.mask_flag_enums[0]:
        return either(invalid, ~read_mask(source, window))
    return invalid


def can_be_measured(nodata: float) -> bool:
    """Whether a nodata value may also be that of a pixel with data, such as 0 or 255; -9999 may not."""
    return 0 <= nodata <= LARGEST


def blank(pixels: Array, nodata: float | None) -> Flags | None:
    """Pixels [H, W] that hold no data by their numbers; None where there are none.

    Not a number in one band is enough, and so is a nodata value that no image measures, such as -9999. Any other, such
    as 0 or 255, may be a shadow or a bright roof: it must stand in all bands.
    """
    invalid: Flags | None = None
    if nodata is not None and np.isfinite(nodata) and fits(nodata, pixels.dtype):
        found = pixels == pixels.dtype.type(nodata)
        invalid = found.all(axis=0) if can_be_measured(nodata) else found.any(axis=0)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        invalid = either(invalid, np.logical_not(np.isfinite(pixels).all(axis=0)))
    return invalid if invalid is not None and invalid.any() else None


def either(one: Flags | None, other: Flags | None) -> Flags | None:
    """Pixels flagged by one or the other, where None flags nothing."""
    if one is None or other is None:
        return other if one is None else one
    return one | other


def fits(value: float, dtype: np.dtype[Any]) -> bool:
    """Whether pixels of this type can hold a value."""
    if dtype.kind == "f":
        return not np.isfinite(value) or abs(value) <= float(np.finfo(dtype).max)
    return float(value).is_integer() and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
