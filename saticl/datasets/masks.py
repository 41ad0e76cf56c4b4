"""Reading of a mask, window by window, and the diagnosis of one that holds values of no class."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from rasterio import DatasetReader
from rasterio.enums import ColorInterp, Resampling

from saticl.errors import InvalidRaster
from saticl.geo.grids import Place, place_of, regridded
from saticl.geo.palette import Decoded, Flags, IndexPalette, Palette
from saticl.geo.raster import Array, opened, read_bands
from saticl.geo.windows import Window
from saticl.labels import IGNORE


@dataclass(frozen=True)
class MaskReader:
    """A mask whose file is open."""

    source: DatasetReader
    palette: Palette
    is_strict: bool
    """Whether pixels of no class are an error; otherwise they are ignored and flagged."""
    file: DatasetReader
    """What `source` reads on another grid; the same where it does not."""

    def read(self, window: Window) -> Decoded:
        """The labels of a window inside the mask; raises InvalidRaster for values of no class where that is strict."""
        decoded = self.palette.decode(_values(self.source, window, self.palette))
        if self.source is not self.file:
            decoded = _outside(decoded, read_bands(self.source, [self.source.count], window)[0] == 0)
        if decoded.unknown is not None and self.is_strict:
            raise InvalidRaster(_diagnosis(self.file, self.palette))
        return decoded

    @contextmanager
    def on_grid(self, scene: Place, grid: Place) -> Iterator["MaskReader"]:
        """The mask of a scene read on another grid: each pixel is the nearest one, those outside the mask are ignored.

        Raises InvalidRaster for a mask of another size than the scene that does not say where it lies.
        """
        place = place_of(self.file, scene)
        with regridded(self.file, place, grid, Resampling.nearest, None) as source:
            yield replace(self, source=source)


@contextmanager
def open_mask(path: str, palette: Palette, is_strict: bool) -> Iterator[MaskReader]:
    """Open a mask; raises InvalidRaster where it is damaged, or of a type that the palette cannot decode."""
    with opened(path) as source:
        _check_type(source, palette)
        yield MaskReader(source, palette, is_strict, source)


def _outside(decoded: Decoded, outside: Flags) -> Decoded:
    """The same where the mask has a pixel, ignored elsewhere."""
    decoded.labels[outside] = IGNORE
    inexact, unknown = (
        None if flags is None or not (flags & ~outside).any() else flags & ~outside for flags in decoded[1:]
    )
    return Decoded(decoded.labels, inexact, unknown)


def unknown_values(path: str, palette: Palette) -> Counter[str]:
    """Pixels per value of no class in a whole mask, by the value as people write it: 7, or #FF00FF.

    Raises InvalidRaster where the mask is damaged, or of a type that the palette cannot decode.
    """
    with opened(path) as source:
        _check_type(source, palette)
        return _all_unknown(source, palette)


def _check_type(mask: DatasetReader, palette: Palette) -> None:
    """Colours have 8 bits without a sign; numbers may be of any real type."""
    types = sorted(set(mask.dtypes))
    if isinstance(palette, IndexPalette):
        if np.dtype(types[0]).kind not in "iuf":
            raise InvalidRaster(
                f"{mask.name} is of type {types[0]}, but a mask of numbers holds integers: convert it to one band of "
                "8 or 16 bits."
            )
    elif types != ["uint8"]:
        raise InvalidRaster(
            f"{mask.name} is of type {', '.join(types)}, but a mask of colours has 8 bits per band without a sign "
            "(uint8): convert it."
        )


def _values(mask: DatasetReader, window: Window, palette: Palette) -> Array:
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


def _diagnosis(mask: DatasetReader, palette: Palette) -> str:
    """What is wrong with a mask, in a sentence, counted over all of it."""
    counts = _all_unknown(mask, palette)
    (example, often), kinds = counts.most_common(1)[0], len(counts)
    is_number = isinstance(palette, IndexPalette)
    advice = "add it to `classes` or to `ignore`, or repair the mask"
    if is_number and not float(example).is_integer():
        advice = "masks hold whole numbers, so repair the mask"
    return (
        f"{mask.name} has {counts.total():,} pixels of {kinds} {'value' if is_number else 'colour'}"
        f"{'' if kinds == 1 else 's'} that the description does not know, such as {example} ({often:,} pixels): "
        f"{advice}."
    )


def _all_unknown(mask: DatasetReader, palette: Palette) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in range(0, mask.height, 512):
        strip = Window(row, 0, min(512, mask.height - row), mask.width)
        counts += _unknown(_values(mask, strip, palette), palette)
    return counts


def _unknown(values: Array, palette: Palette) -> Counter[str]:
    """How often each value of no class occurs, by the value as people write it."""
    unknown = palette.decode(values).unknown
    if unknown is None:
        return Counter()
    if len(values) == 1:
        numbers, often = np.unique(values[0, unknown], return_counts=True)
        return Counter(dict(zip((_number(one) for one in numbers.tolist()), often.tolist(), strict=True)))
    colours, often = np.unique(values[:, unknown], axis=1, return_counts=True)
    return Counter(dict(zip((_hexadecimal(one) for one in colours.T.tolist()), often.tolist(), strict=True)))


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.7g}"


def _hexadecimal(colour: list[int]) -> str:
    return "#" + "".join(f"{channel:02X}" for channel in colour)
