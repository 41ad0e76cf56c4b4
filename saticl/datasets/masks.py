"""Values of a mask file, and the diagnosis of one that holds values of no class."""

from collections import Counter

import numpy as np
from rasterio import DatasetReader
from rasterio.enums import ColorInterp

from saticl.geo.palette import IndexPalette, Palette
from saticl.geo.raster import Array, read_bands
from saticl.geo.windows import Window

Value = tuple[int, ...]
"""A number, or a colour."""


def mask_values(mask: DatasetReader, window: Window, palette: Palette) -> Array:
    """[1, H, W] numbers or [3, H, W] colours, as the palette wants them.

    Indexed colours go through the file's own table, whose order may differ from file to file; grey becomes three equal
    channels.
    """
    if isinstance(palette, IndexPalette):
        return read_bands(mask, [1], window)
    if mask.count >= 3:
        return read_bands(mask, [1, 2, 3], window)
    values = read_bands(mask, [1], window)[0]
    if mask.colorinterp[0] != ColorInterp.palette:
        return np.broadcast_to(values, (3, *values.shape))
    table = np.zeros((256, 3), np.uint8)
    for value, colour in mask.colormap(1).items():
        table[value] = colour[:3]
    return np.ascontiguousarray(np.moveaxis(table[values], -1, 0))


def unknown_values(mask: DatasetReader, palette: Palette) -> str:
    """What is wrong with a mask, in a sentence, counted over all of it."""
    counts: Counter[Value] = Counter()
    for row in range(0, mask.height, 512):
        strip = Window(row, 0, min(512, mask.height - row), mask.width)
        counts += _unknown(mask_values(mask, strip, palette), palette)
    (example, often), kinds = counts.most_common(1)[0], len(counts)
    word, shown = ("value", str(example[0])) if len(example) == 1 else ("colour", _hexadecimal(example))
    return (
        f"{mask.name} has {counts.total():,} pixels of {kinds} {word}{'' if kinds == 1 else 's'} that the description "
        f"does not know, such as {shown} ({often:,} pixels): add it to `classes` or to `ignore`, or repair the mask."
    )


def _unknown(values: Array, palette: Palette) -> Counter[Value]:
    unknown = palette.decode(values).unknown
    if unknown is None:
        return Counter()
    kinds, numbers = np.unique(values[:, unknown], axis=1, return_counts=True)
    return Counter({tuple(kind.tolist()): int(number) for kind, number in zip(kinds.T, numbers, strict=True)})


def _hexadecimal(colour: Value) -> str:
    return "#" + "".join(f"{channel:02X}" for channel in colour)
