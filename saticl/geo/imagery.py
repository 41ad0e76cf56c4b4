"""Reading of an image and its surface model, window by window, on one grid. No mask is needed.

What is repaired here, and noted: pixels without data, surface models that miss a column, georeferences that only a
neighbouring file has. Images that are wanted on another grid are read on it (see grids.py).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio import DatasetReader
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from saticl.errors import InvalidRaster
from saticl.geo.bands import check_bands, names_of, shares
from saticl.geo.grids import AS_IT_IS, Regrid, Wanted, place_in_scene, regrid, regridded
from saticl.geo.nodata import blank, either, fits, without_data
from saticl.geo.palette import Flags
from saticl.geo.place import Place
from saticl.geo.raster import Array, opened, parse_crs, read_bands
from saticl.geo.remote import shown
from saticl.geo.windows import Window

MAX_DSM_GAP = 8
"""Rows or columns that a surface model may miss: more means that it belongs to another image."""

GREY = "the image is grey: its only band stands for red, green and blue"

SUPPORTED = {"uint8", "uint16", "float32"}
"""Types that are kept; others become float32."""


class Patch(NamedTuple):
    """A window of an image."""

    image: Array
    """[C, H, W] uint8, uint16 or float32; 0 where there is no data."""
    dsm: NDArray[np.float32] | None
    """[1, H, W]; 0 where there is no data."""
    invalid: Flags | None
    """[H, W] pixels without data, in the image or in the surface model; None where all hold data."""


@dataclass(frozen=True)
class ImageReader:
    """An image, and perhaps its surface model, whose files are open."""

    image: DatasetReader
    dsm: DatasetReader | None
    bands: tuple[str, ...]
    transform: Affine
    crs: CRS | None
    notes: tuple[str, ...]
    """Defects that are repaired while reading, and what else was changed."""
    nodata: float | None
    """Value of pixels of the image without data."""
    dsm_nodata: float | None
    names: tuple[str, ...]
    """What the file calls its bands, else what they are called here."""
    own: Place
    """Where the files lie."""
    regrid: Regrid | None
    """The other grid on which they are read; None where it is their own."""
    is_located: bool
    """Whether the file of the image says itself where it lies."""
    is_grey: bool = False
    """Whether its file has one band, which stands for all of them."""
    more: tuple[DatasetReader, ...] = ()
    """Further files of the image, whose bands follow."""

    @property
    def grid(self) -> Place:
        """Where its pixels lie, as they are read."""
        return self.own if self.regrid is None else self.regrid.grid

    @property
    def is_as_in_its_file(self) -> bool:
        """Whether its pixels are those of its file, where they hold data: same grid, same bands, same type."""
        kinds = set(self.image.dtypes)
        is_one = not self.more and not self.is_grey
        return self.regrid is None and is_one and len(kinds) == 1 and kinds <= SUPPORTED

    @property
    def height(self) -> int:
        """Rows of the image."""
        return int(self.image.height)

    @property
    def width(self) -> int:
        """Columns of the image."""
        return int(self.image.width)

    def read(self, window: Window) -> Patch:
        """The pixels of a window inside the image."""
        image, invalid = self._pixels(window)
        dsm = None
        if self.dsm is not None:
            dsm, lost = _heights(self.dsm, window, self.dsm_nodata)
            invalid = either(invalid, lost)
        if invalid is not None:
            image[:, invalid] = 0
            if dsm is not None:
                dsm[:, invalid] = 0
        return Patch(image, dsm, invalid)

    def _pixels(self, window: Window) -> tuple[Array, Flags | None]:
        """All bands, of all files, and where one of them holds no data."""
        (first, number), *others = shares((self.image, *self.more), self.bands)
        numbers = [1] * number if self.is_grey else range(1, number + 1)
        image = _as_supported(read_bands(first, numbers, window))
        invalid = without_data(first, image, window, None if others else self.nodata)
        if not others:
            return image, invalid
        parts = [image]
        for file, number in others:
            parts.append(_as_supported(read_bands(file, range(1, number + 1), window)))
            invalid = either(invalid, without_data(file, parts[-1], window, None))
        image = np.concatenate(parts)
        return image, either(invalid, blank(image, self.nodata))  # a value such as 0 must stand in all bands


@contextmanager
def open_image(
    image: str,
    bands: tuple[str, ...],
    dsm: str | None = None,
    crs: str | None = None,
    wanted: Wanted = AS_IT_IS,
    nodata: float | None = None,
    beside: Sequence[DatasetReader] = (),
    may_be_grey: bool = False,
    more: Sequence[str] = (),
) -> Iterator[ImageReader]:
    """Open an image of these bands, and its surface model where one is named.

    `crs` and `nodata` serve where the image's file says nothing. `beside` are further files of the scene, which may
    know where it lies. If it `may_be_grey`, a single band stands for all of them. `more` are further files of the
    image on the same grid, whose bands follow. Raises InvalidRaster for damaged files, another number of bands,
    complex numbers, a surface model or further files of another size, and a grid that cannot be made; InvalidOptions
    for a coordinate system that does not exist.
    """
    with ExitStack() as stack:
        pixels = stack.enter_context(opened(image))
        further = [stack.enter_context(opened(path)) for path in more]
        heights = None if dsm is None else stack.enter_context(opened(dsm))
        is_grey = may_be_grey and pixels.count == 1 and pixels.colorinterp[0] == ColorInterp.gray
        if not is_grey:
            check_bands(pixels, further, bands)
        empty = pixels.nodata if pixels.nodata is not None else nodata
        empty = empty if empty is not None and fits(empty, np.dtype(pixels.dtypes[0])) else None
        names = bands if is_grey else names_of((pixels, *further), bands)
        low = None if heights is None else heights.nodata
        files = [file for file in (pixels, *beside, heights) if file is not None]
        is_located = not pixels.transform.is_identity and bool(pixels.crs or crs)
        own = Place(first_transform(files), first_crs(files, crs), pixels.height, pixels.width, image)
        other = regrid(own, wanted, shown(image))
        if other is None:
            notes = () if heights is None else _dsm_notes(pixels, heights)
            grid = own
        else:
            notes, grid, how = (other.note,), other.grid, other.resampling
            pixels = stack.enter_context(regridded(pixels, own, grid, how, empty))
            further = [stack.enter_context(regridded(file, own, grid, how, empty)) for file in further]
            if heights is not None:
                place = place_in_scene(heights, own, MAX_DSM_GAP)
                heights = stack.enter_context(regridded(heights, place, grid, how, low))
        yield ImageReader(
            pixels,
            heights,
            bands,
            grid.transform,
            grid.crs,
            (*notes, *((GREY,) if is_grey else ())),
            empty,
            low,
            names,
            own,
            other,
            is_located,
            is_grey,
            tuple(further),
        )


def first_transform(files: Sequence[DatasetReader]) -> Affine:
    """That of the first file that has one: world files often lie beside one of several files only."""
    found = [file.transform for file in files if not file.transform.is_identity]
    return found[0] if found else Affine.identity()


def first_crs(files: Sequence[DatasetReader], fallback: str | None) -> CRS | None:
    """That of the first file that has one, else the fallback; raises InvalidOptions where that does not exist."""
    found = [file.crs for file in files if file.crs]
    if found:
        return found[0]
    return None if fallback is None else parse_crs(fallback)


def _dsm_notes(image: DatasetReader, dsm: DatasetReader) -> tuple[str, ...]:
    rows, cols = image.height - dsm.height, image.width - dsm.width
    if max(abs(rows), abs(cols)) > MAX_DSM_GAP:
        raise InvalidRaster(
            f"{dsm.name} has {dsm.width} x {dsm.height} pixels but its image {image.name} "
            f"{image.width} x {image.height}: at most {MAX_DSM_GAP} rows or columns may differ."
        )
    gaps = [(gap, unit) for gap, unit in ((rows, "rows"), (cols, "columns")) if gap]
    return tuple(
        f"the surface model has {gap} {unit} less than the image: the edge is repeated"
        if gap > 0
        else f"the surface model has {-gap} {unit} more than the image: they are cut off"
        for gap, unit in gaps
    )


def _as_supported(image: Array) -> Array:
    return image if image.dtype.name in SUPPORTED else image.astype(np.float32)


def _heights(dsm: DatasetReader, window: Window, nodata: float | None) -> tuple[NDArray[np.float32], Flags | None]:
    """The window of a surface model that may miss its last rows or columns: they repeat the edge."""
    height = min(window.height, max(dsm.height - window.row, 1))
    width = min(window.width, max(dsm.width - window.col, 1))
    inside = Window(min(window.row, dsm.height - height), min(window.col, dsm.width - width), height, width)
    pixels = read_bands(dsm, [1], inside, np.float32)
    lost = without_data(dsm, pixels, inside, nodata)
    gap = (0, window.height - height), (0, window.width - width)
    if any(gap[0] + gap[1]):
        pixels = np.pad(pixels, ((0, 0), *gap), mode="edge")
        lost = None if lost is None else np.pad(lost, gap, mode="edge")
    return pixels, lost
