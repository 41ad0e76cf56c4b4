"""Class maps as polygons: a layer of a GeoPackage or a GeoJSON file, without gaps or overlaps."""

import math
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyogrio.raw
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from saticl.errors import InvalidOptions, InvalidRaster
from saticl.files import assembling, unwritable
from saticl.geo.areas import DEGREES, areas_m2, metres_per_pixel
from saticl.geo.palette import Bytes
from saticl.geo.place import Numbers, Place, reprojected
from saticl.geo.raster import Array, opened, quiet, read_bands
from saticl.geo.regions import Regions, find_regions, merge_small
from saticl.geo.shapes import Geometries
from saticl.geo.tracing import trace
from saticl.geo.windows import Window
from saticl.labels import IGNORE

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON"}
"""Formats by suffix."""

OPTIONS: dict[str, dict[str, str]] = {
    "GPKG": {},
    # Standard GeoJSON, with the outer ring anticlockwise; the last digit is about a millimetre.
    "GeoJSON": {"RFC7946": "YES", "COORDINATE_PRECISION": "8"},
}

STRIP = 512
"""Rows of a confidence raster that are read at once."""


def write_polygons(
    dst: Path,
    class_map: Path,
    names: Mapping[int, str],
    source: str,
    confidence: Path | None = None,
    min_area: float = 0,
    simplify: float = 0,
    without: Collection[int] = (),
) -> Counter[str]:
    """Write a class map (one band of bytes, 255 is no data) as polygons; returns how many each class has.

    `names` are those of its values; those in `without` become no polygons, nor does no data. Pixels belong together
    that share a side. Attributes: `class`, `value`, `area_m2` (`area_px`, in pixels, where the map does not say where
    it lies), `source`, and `confidence`, the mean over the pixels that have one, where such a raster is given.

    Pieces smaller than `min_area` square metres are first merged into their largest neighbours; those that touch
    nothing but no data stay. With `simplify`, outlines may be wrong by about so many metres, alike on both sides.

    A GeoPackage has the map's coordinate system, GeoJSON longitude and latitude, as its standard asks.

    Raises InvalidOptions for what cannot be done with this map, InvalidRaster for rasters that cannot be used,
    UnwritableFile where the polygons did not reach the disk; then there is no file, or the one that was there.
    """
    driver = _driver(dst, min_area, simplify)
    values, place = _read_map(class_map, names)
    scale = metres_per_pixel(place)
    _check_place(place, scale, driver, min_area, simplify)
    if scale is not None and min_area:
        values = merge_small(values, math.ceil(min_area / scale**2))
    regions = find_regions(values)
    is_wanted = ~np.isin(regions.values, [IGNORE, *without])
    means = None if confidence is None else _means(confidence, regions, place)[is_wanted]
    polygons = trace(regions, is_wanted)
    if simplify and scale is not None and len(polygons):
        polygons = shapely.coverage_simplify(polygons, simplify / scale)
    found = regions.values[is_wanted]
    classes = [names[value] for value in found.tolist()]
    fields: dict[str, Array] = {"class": np.array(classes, object), "value": found.astype(np.int32)}
    fields |= {"area_px": shapely.area(polygons)} if scale is None else {"area_m2": areas_m2(polygons, place)}
    fields |= {"source": np.full(len(found), source, object)}
    fields |= {} if means is None else {"confidence": means}
    _write(dst, driver, _placed(polygons, place, driver), fields, _crs(place, driver))
    return Counter(classes)


def _driver(dst: Path, min_area: float, simplify: float) -> str:
    if dst.suffix.lower() not in DRIVERS:
        raise InvalidOptions(f"{dst} is no name for polygons: let it end in {' or '.join(DRIVERS)}.")
    for name, value in (("smallest area", min_area), ("tolerance of outlines", simplify)):
        if not (math.isfinite(value) and value >= 0):
            raise InvalidOptions(f"The {name} of polygons cannot be {value}: choose 0 or more.")
    return DRIVERS[dst.suffix.lower()]


def _read_map(path: Path, names: Mapping[int, str]) -> tuple[Bytes, Place]:
    with opened(path) as source:
        if (source.count, source.dtypes[0]) != (1, "uint8"):
            raise InvalidRaster(
                f"{path} is no class map: it has {source.count} bands of {source.dtypes[0]}, not 1 of uint8."
            )
        values = read_bands(source, [1], Window(0, 0, source.height, source.width))[0]
        place = Place(source.transform, source.crs, source.height, source.width, str(path))
    unknown = sorted({*np.flatnonzero(np.bincount(values.ravel())).tolist()} - {IGNORE, *names})
    if unknown:
        raise InvalidRaster(f"{path} has the value {unknown[0]}, which is none of its classes ({_listed(names)}).")
    return values, place


def _listed(names: Mapping[int, str]) -> str:
    return ", ".join(f"{value} {name}" for value, name in names.items())


def _check_place(place: Place, scale: float | None, driver: str, min_area: float, simplify: float) -> None:
    if driver == "GeoJSON" and not place.is_known:
        raise InvalidOptions(
            f"{place.name} does not say where it lies, but GeoJSON is in longitude and latitude: write a .gpkg file."
        )
    if scale is None and (min_area or simplify):
        raise InvalidOptions(
            f"{place.name} does not say how large its pixels are on the ground: leave out the smallest area and the "
            "tolerance of outlines, which are in metres."
        )


def _means(path: Path, regions: Regions, place: Place) -> NDArray[np.float64]:
    """The mean of a raster over each region, without pixels that are no number; not a number where there are none."""
    number = len(regions.values)
    sums, counts = np.zeros(number), np.zeros(number)
    with opened(path) as source:
        other = Place(source.transform, source.crs, source.height, source.width, str(path))
        if source.count != 1 or (place.crs is None) != (other.crs is None) or not place.is_same_grid(other):
            raise InvalidRaster(
                f"{path} is not one band on the grid of {place.name}: give the confidence of this map."
            )
        for row in range(0, place.height, STRIP):
            window = Window(row, 0, min(STRIP, place.height - row), place.width)
            pixels = read_bands(source, [1], window)[0]
            is_number = np.isfinite(pixels)
            where = regions.numbers[window.slices][is_number]
            sums += np.bincount(where, pixels[is_number], number)
            counts += np.bincount(where, minlength=number)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _crs(place: Place, driver: str) -> CRS | None:
    if driver == "GeoJSON":
        return DEGREES
    return place.crs if place.has_transform else None


def _placed(polygons: Geometries, place: Place, driver: str) -> Geometries:
    """Polygons in pixels on the ground: in the coordinates of the map, or in degrees. Pixels if it has neither."""
    if not place.has_transform:
        return polygons

    def moved(cols: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
        x, y = place.points_of(cols, rows)
        return reprojected(place.crs, DEGREES, x, y) if driver == "GeoJSON" else (x, y)

    polygons = shapely.transform(polygons, moved, interleaved=False)
    if len(polygons) and not np.isfinite(shapely.bounds(polygons)).all():
        raise InvalidRaster(f"{place.name} lies where longitude and latitude cannot be told: write a .gpkg file.")
    return polygons


def _write(dst: Path, driver: str, polygons: Geometries, fields: Mapping[str, Array], crs: CRS | None) -> None:
    with assembling(dst) as temporary, _reaching(dst):
        pyogrio.raw.write(
            temporary,
            shapely.to_wkb(polygons),
            list(fields.values()),
            list(fields),
            layer=dst.stem,
            driver=driver,
            geometry_type="Polygon",
            crs=None if crs is None else crs.to_wkt(),
            layer_options=OPTIONS[driver],
        )
        info: dict[str, Any] = pyogrio.read_info(temporary, force_feature_count=True)
        if info["features"] != len(polygons):
            raise OSError(f"only {info['features']:,} of {len(polygons):,} polygons arrived")


@contextmanager
def _reaching(dst: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore", UserWarning)  # that there is no coordinate system, which is allowed
            yield
    except (OSError, RuntimeError) as error:
        raise unwritable(dst, " ".join(str(error).split())) from error
