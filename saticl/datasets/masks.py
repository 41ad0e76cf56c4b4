"""Reading of a mask, window by window on the grid of its image, and the diagnosis of one with values of no class."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from rasterio import DatasetReader
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT

from saticl.errors import InvalidRaster
from saticl.geo.imagery import first_crs
from saticl.geo.palette import Decoded, EitherPalette, Flags, IndexPalette, Palette, PresencePalette
from saticl.geo.place import Place
from saticl.geo.raster import Array, opened, read_bands
from saticl.geo.windows import Window
from saticl.labels import IGNORE, UNLABELLED

TOLERANCE = 0.01
"""How far from its true place a pixel may be looked up when a mask is warped, in pixels of the mask."""


class Under(NamedTuple):
    """The image under a mask."""

    own: Place
    """Where its file lies."""
    grid: Place
    """The grid on which it is read, and the mask with it."""
    is_located: bool
    """Whether its file says itself where it lies; then a mask that does so too may have another grid."""


@dataclass(frozen=True)
class MaskReader:
    """A mask whose file is open."""

    source: DatasetReader
    palette: Palette
    is_strict: bool
    """Whether pixels of no class are an error; otherwise they are ignored and flagged."""
    warped: WarpedVRT | None = None
    """The mask on the grid of the image, with a last band that is 0 where the mask does not reach."""
    notes: tuple[str, ...] = ()
    """What was done to the mask."""

    def read(self, window: Window) -> Decoded:
        """The labels of a window of the image, IGNORE where the mask is transparent or does not reach.

        Raises InvalidRaster for values of no class where that is strict.
        """
        labels, inexact, unknown = self.palette.decode(_values(self.source, window, self.palette, self.warped))
        hidden = _hidden(self.source, window, self.warped)
        if hidden is not None:
            # A mask of one class that is transparent says that the class is not there, and nothing of the other ones.
            is_of_one = (
                isinstance(self.palette, PresencePalette)
                and not self.palette.is_elsewhere
                and _is_transparent(self.source)
            )
            labels[hidden] = UNLABELLED if is_of_one else IGNORE
            inexact, unknown = _without(inexact, hidden), _without(unknown, hidden)
        if unknown is not None and self.is_strict:
            raise InvalidRaster(_diagnosis(self.source, self.palette))
        return Decoded(labels, inexact, unknown)


@contextmanager
def open_mask(
    path: str, palette: Palette, is_strict: bool, under: Under, crs: str | None = None
) -> Iterator[MaskReader]:
    """Open a mask on the grid of its image; `crs` serves where the file names none.

    A mask with another grid is warped, each pixel from the nearest one, where it is known where both lie.

    Raises InvalidRaster where it is damaged, of a type that the palette cannot decode, or of another size than the
    image without telling where it lies; InvalidOptions for a coordinate system that does not exist.
    """
    with opened(path) as source:
        _check_type(source, palette)
        own = Place(source.transform, first_crs([source], crs), source.height, source.width, path)
        if not (under.is_located and own.is_known):
            _check_size(own, under.own)
            own = replace(under.own, name=path)
        is_warped = own.is_known and not under.grid.is_same_grid(own)
        said = f"the mask {path} was warped onto the grid of the image"
        notes = (said,) if is_warped and not under.own.is_same_grid(own) else ()
        with _warped(source, own, under.grid) if is_warped else nullcontext() as warped:
            yield MaskReader(source, palette, is_strict, warped, notes)


def _check_size(own: Place, image: Place) -> None:
    if (own.height, own.width) != (image.height, image.width):
        raise InvalidRaster(
            f"{image.name} has {image.width} x {image.height} pixels but its mask {own.name} {own.width} x "
            f"{own.height}: they must be of the same size, or both say where they lie (transform and coordinate "
            "system)."
        )


def _warped(source: DatasetReader, own: Place, place: Place) -> WarpedVRT:
    """A mask on another grid; raises InvalidRaster where it lies elsewhere."""
    if not place.meets(own):
        raise InvalidRaster(f"The mask {own.name} lies elsewhere than its image {place.name}: check the files.")
    grid = {"transform": place.transform, "height": place.height, "width": place.width}
    alpha = {} if _is_transparent(source) else {"add_alpha": True}
    # A nodata value of the mask is a label like others: the band of transparency alone says where it ends.
    return WarpedVRT(
        source,
        src_crs=own.crs,
        src_transform=own.transform,
        crs=place.crs,
        **grid,
        **alpha,
        src_nodata=None,
        nodata=None,
        resampling=Resampling.nearest,
        tolerance=TOLERANCE,
    )


def _is_transparent(mask: DatasetReader) -> bool:
    """Whether its last band says which pixels are drawn."""
    return bool(mask.colorinterp[-1] == ColorInterp.alpha)


def _hidden(mask: DatasetReader, window: Window, warped: WarpedVRT | None = None) -> Flags | None:
    """Pixels that are transparent, or where a warped mask does not reach; None where there can be none."""
    if warped is None and not _is_transparent(mask):
        return None
    pixels = mask if warped is None else warped
    return np.asarray(read_bands(pixels, [pixels.count], window)[0] == 0)


def _without(flags: Flags | None, hidden: Flags | None) -> Flags | None:
    left = flags if flags is None or hidden is None else flags & ~hidden
    return left if left is not None and left.any() else None


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
    if isinstance(palette, IndexPalette | PresencePalette):
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


def _values(mask: DatasetReader, window: Window, palette: Palette, warped: WarpedVRT | None = None) -> Array:
    """[1, H, W] numbers or [3, H, W] colours, as the palette wants them; through another grid where one is given.

    Where it takes either, a single band without a table of colours holds numbers.

    Indexed colours go through the file's own table, whose order may differ from file to file; grey becomes three equal
    channels.
    """
    pixels = mask if warped is None else warped
    if isinstance(palette, IndexPalette):
        return read_bands(pixels, [1], window)
    bands = [1, 2, 3] if mask.count >= 3 else [1]
    if isinstance(palette, PresencePalette):
        found = read_bands(pixels, bands, window)
        return found if mask.nodata is None else np.where(found == mask.nodata, found.dtype.type(0), found)
    if mask.count >= 3:
        return read_bands(pixels, bands, window)
    values = read_bands(pixels, bands, window)[0]
    if mask.colorinterp[0] != ColorInterp.palette:
        return values[None] if isinstance(palette, EitherPalette) else np.broadcast_to(values, (3, *values.shape))
    table = np.zeros((256, 3), np.uint8)
    for value, colour in mask.colormap(1).items():
        table[value] = colour[:3]
    return np.ascontiguousarray(np.moveaxis(table[values], -1, 0))


def _diagnosis(mask: DatasetReader, palette: Palette) -> str:
    """What is wrong with a mask, in a sentence, counted over all of it."""
    counts = _all_unknown(mask, palette)
    (example, often), kinds = counts.most_common(1)[0], len(counts)
    is_number = not example.startswith("#")
    advice = "repair the mask, or add it to `classes`, `ignore` or `unlabelled` of your description"
    if is_number and not float(example).is_integer():
        advice = "masks hold whole numbers, so repair the mask"
    return (
        f"{mask.name} has {counts.total():,} pixels of {kinds} {'value' if is_number else 'colour'}"
        f"{'' if kinds == 1 else 's'} of no class, such as {example} ({often:,} pixels): "
        f"{advice}."
    )


def _all_unknown(mask: DatasetReader, palette: Palette) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in range(0, mask.height, 512):
        strip = Window(row, 0, min(512, mask.height - row), mask.width)
        values = _values(mask, strip, palette)
        counts += _by_value(values, _without(palette.decode(values).unknown, _hidden(mask, strip)))
    return counts


def _by_value(values: Array, unknown: Flags | None) -> Counter[str]:
    """How often each value of no class occurs, by the value as people write it."""
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
