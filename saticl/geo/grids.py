"""Rasters read on another grid: other pixels, another coordinate system, or both.

Images and heights are averaged where pixels become larger and interpolated where they do not; masks take the nearest
pixel, because labels and colours have no mean. GDAL warps in blocks of its own that begin at the grid's corner, so the
pixels do not depend on the windows that are read, and memory does not depend on the raster.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, hypot, isfinite, nan
from typing import NamedTuple, cast

import rasterio
from affine import Affine
from rasterio import DatasetReader
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform as convert
from rasterio.warp import transform_bounds

from saticl.errors import InvalidOptions, InvalidRaster
from saticl.geo.ground import ground_size
from saticl.geo.nodata import can_be_measured
from saticl.geo.place import Place, named
from saticl.geo.raster import parse_crs
from saticl.geo.remote import shown

SAME = 0.1
"""Grids that differ by less than this part of a pixel, over the whole raster, are one grid."""

EDGE = 0.001
"""A last row or column of which less than this part is covered is left out."""

MAX_STRETCH = 0.05
"""How far a metre of the map may be from a metre on the ground where --gsd counts in metres."""

MAX_FACTOR = 64
"""Pixels of the source, along one side, that may become one: more would not fit into memory."""

BY_BLOCKS = {"GDAL_VRT_WARP_USE_DATASET_RASTERIO": "NO"}
"""Otherwise GDAL warps each window by itself, and values at its edges differ by one or two."""


@dataclass(frozen=True)
class Wanted:
    """On which grid rasters are wanted; what is None stays as it is."""

    gsd: float | None = None
    """Metres per pixel."""
    crs: str | None = None

    def check(self) -> None:
        """Raises InvalidOptions for a system that does not exist, or that counts in degrees beside a `gsd`."""
        crs = None if self.crs is None else parse_crs(self.crs, "--target-crs")
        if crs is not None and self.gsd is not None and crs.is_geographic:
            raise InvalidOptions(
                f"--gsd counts in metres, but --target-crs {self.crs} in degrees: choose a system in metres, such as "
                "EPSG:32633 (UTM zone 33 N)."
            )


AS_IT_IS = Wanted()
"""No other grid than that of the raster."""


class Regrid(NamedTuple):
    """A grid on which rasters are read."""

    grid: Place
    is_coarser: bool
    """Whether its pixels are larger than those of the source."""
    note: str
    """What happens, as a sentence for people."""

    @property
    def resampling(self) -> Resampling:
        """For measured values; labels are always nearest."""
        return Resampling.average if self.is_coarser else Resampling.bilinear


def regrid(source: Place, wanted: Wanted, name: str) -> Regrid | None:
    """The grid that is wanted for a raster; None where it is the one on which the raster lies.

    It begins at the raster's corner and covers all of it. Raises InvalidRaster, which names the raster, where it has
    no place on the ground, where `gsd` has no meaning in its coordinate system, and where pixels would become
    MAX_FACTOR times as large.
    """
    if wanted.gsd is None and wanted.crs is None:
        return None
    own, target = _systems(source, wanted, name)
    try:
        native = _native_size(source, own, target)
        left, bottom, right, top = transform_bounds(own, target, *source.bounds)
        if not all(map(isfinite, (native, left, bottom, right, top))):
            raise RasterioError("outside the area of the system")
    except (CPLE_BaseError, RasterioError) as error:
        raise InvalidRaster(
            f"{name} cannot be converted from {named(own)} to {named(target)}: correct --target-crs."
        ) from error
    size = native if wanted.gsd is None else wanted.gsd / float(target.units_factor[1])
    height, width = (max(ceil(length / size - EDGE), 1) for length in (top - bottom, right - left))
    grid = Place(Affine(size, 0, left, 0, -size, top), target, height, width, source.name)
    _check_metres(grid, wanted, name)
    if size / native > MAX_FACTOR:
        raise InvalidRaster(
            f"{name} has {_size(native, target)}, and --gsd makes them {size / native:.0f} times as large: "
            f"at most {MAX_FACTOR} is possible, so choose a smaller --gsd."
        )
    is_coarser = size / native > 1 + SAME / max(height, width)
    if own == target and _is_upright(source) and abs(size / native - 1) * max(height, width) < SAME:
        return None
    return Regrid(grid, is_coarser, _note(source, grid, is_coarser))


@contextmanager
def regridded(
    file: DatasetReader, place: Place, grid: Place, resampling: Resampling, nodata: float | None
) -> Iterator[DatasetReader]:
    """A raster that lies at `place`, read on a grid as if it had been made there.

    A last band of transparency says where it holds data. Where `nodata` is no possible measurement, such as -9999, it
    says so instead, band by band.
    """
    by_value = nodata is not None and not can_be_measured(nodata)
    has_alpha = file.colorinterp[-1] == ColorInterp.alpha
    with (
        rasterio.Env(**BY_BLOCKS),
        WarpedVRT(
            file,
            src_crs=place.crs,
            src_transform=place.transform,
            # Not a number stands for none: with None, GDAL takes the one of the file.
            src_nodata=nan if nodata is None else nodata,
            crs=grid.crs,
            transform=grid.transform,
            height=grid.height,
            width=grid.width,
            resampling=resampling,
            add_alpha=not by_value and not has_alpha,
            **({"nodata": nodata, "UNIFIED_SRC_NODATA": "NO"} if by_value else {}),
        ) as warped,
    ):
        yield cast(DatasetReader, warped)


def place_in_scene(file: DatasetReader, common: Place, gap: int = 0) -> Place:
    """Where a file of a scene lies: where it says itself, else at the corner of the scene.

    Raises InvalidRaster for a file that does not say it, and is larger or smaller by more than `gap` pixels.
    """
    if not file.transform.is_identity:
        return Place(file.transform, file.crs or common.crs, file.height, file.width, file.name)
    if max(abs(file.height - common.height), abs(file.width - common.width)) > gap:
        raise InvalidRaster(
            f"{shown(file.name)} has {file.width} x {file.height} pixels and no place on the ground, but its image "
            f"{common.width} x {common.height}: give it a world file, or the size of the image."
        )
    return Place(common.transform, common.crs, file.height, file.width, file.name)


def _systems(source: Place, wanted: Wanted, name: str) -> tuple[CRS, CRS]:
    """Those of the raster and of the grid."""
    flag = "--gsd" if wanted.gsd is not None else "--target-crs"
    if source.transform.is_identity:
        raise InvalidRaster(f"{name} has no place on the ground, so {flag} is not possible: give it a world file.")
    if source.crs is None:
        raise InvalidRaster(f"{name} names no coordinate system, so {flag} is not possible: name it with --crs.")
    target = source.crs if wanted.crs is None else parse_crs(wanted.crs, "--target-crs")
    if wanted.gsd is not None and target.is_geographic:
        raise InvalidRaster(
            f"{name} lies in {named(target)}, which counts in degrees, but --gsd counts in metres: add "
            "--target-crs with a system in metres, such as EPSG:32633 (UTM zone 33 N)."
        )
    return source.crs, target


def _check_metres(grid: Place, wanted: Wanted, name: str) -> None:
    ground = ground_size(grid.transform, grid.crs)
    if wanted.gsd is not None and ground is not None and abs(ground / wanted.gsd - 1) > MAX_STRETCH:
        raise InvalidRaster(
            f"A metre of {named(grid.crs)} is {ground / wanted.gsd:.2f} m on the ground where {name} lies, so "
            "--gsd would be wrong: choose another --target-crs, such as the UTM zone of the place."
        )


def _native_size(source: Place, own: CRS, target: CRS) -> float:
    """Side of a pixel in another system that keeps the number of pixels from corner to corner."""
    a, b, c, d, e, f = list(source.transform)[:6]
    height, width = source.height, source.width
    converted = convert(own, target, [c, c + a * width + b * height], [f, f + d * width + e * height])
    (x, other_x), (y, other_y) = converted[0], converted[1]
    return hypot(other_x - x, other_y - y) / hypot(height, width)


def _is_upright(place: Place) -> bool:
    """Whether rows go from north to south, and pixels are square."""
    a, b, _, d, e, _ = list(place.transform)[:6]
    return bool(b == d == 0 and a > 0 and abs(a / -e - 1) * max(place.height, place.width) < SAME)


def _note(source: Place, grid: Place, is_coarser: bool) -> str:
    a, _, _, d = list(source.transform)[:4]
    how = "averaged" if is_coarser else "interpolated"
    return (
        f"resampled from {_size(hypot(a, d), source.crs)} to {_size(grid.transform.a, grid.crs)}: "
        f"images and heights are {how}, masks take the nearest pixel"
    )


def _size(size: float, crs: CRS | None) -> str:
    unit = "units" if crs is None else crs.units_factor[0]
    return f"{size:.4g} {unit} per pixel in {named(crs)}"
