"""Masks whose classes are known by their colours, or by numbers: labels of a window."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rasterio import DatasetReader

from saticl.geo.palette import ExactPalette
from saticl.geo.raster import Array, read_bands, read_mask
from saticl.geo.windows import Window
from saticl.labels import IGNORE, Colour


def class_labels(source: DatasetReader, window: Window, colours: Sequence[Colour]) -> NDArray[np.uint8]:
    """The index of the colour of every pixel [H, W] of a window, IGNORE for other colours.

    Three bands are red, green and blue; one band with a table of colours is looked up in it; one without holds the
    indices themselves, and whatever is none of them is ignored; so are transparent pixels and those of the nodata
    value. Raises InvalidRaster where it cannot be read.
    """
    if source.count >= 3:
        rgb = read_bands(source, [1, 2, 3], window, np.uint8)
        labels = _of_class(ExactPalette(tuple(colours)).decode(rgb).labels, len(colours))
    else:
        labels = _indices(source, read_bands(source, [1], window)[0], colours)
    return np.where(read_mask(source, window), labels, np.uint8(IGNORE))


def _indices(source: DatasetReader, values: Array, colours: Sequence[Colour]) -> NDArray[np.uint8]:
    try:
        table = source.colormap(1)
    except ValueError:  # it has none
        known = (values >= 0) & (values < len(colours)) & (values == np.floor(values))
        return np.where(known, values, IGNORE).astype(np.uint8)
    indices = {colour: index for index, colour in enumerate(colours)}
    lookup = np.full(2**16, IGNORE, np.uint8)
    for value, colour in table.items():
        lookup[value] = indices.get((colour[0], colour[1], colour[2]), IGNORE)
    found: NDArray[np.uint8] = lookup[values]
    return found


def _of_class(labels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    return np.where(labels < number, labels, np.uint8(IGNORE))
