"""Areas of polygons on the ground, in any coordinate system."""

import shapely
from affine import Affine
from rasterio.crs import CRS

from saticl.geo.ground import equal_area, ground_size
from saticl.geo.place import Numbers, Place, reprojected
from saticl.geo.raster import shifted
from saticl.geo.shapes import Geometries

DISTORTION = 0.01
"""Maps whose lengths are wrong by more than this are not measured on the map, but on the ground."""

PIECE = 64
"""Edges are moved to another coordinate system in pieces of so many pixels: straight lines become curves."""

DEGREES = CRS.from_epsg(4326)


def metres_per_pixel(place: Place) -> float | None:
    """Side of a square as large as a pixel in the middle of a grid; None where nobody knows where it lies."""
    return _size_at(place, place.height // 2, place.width // 2)


def areas_m2(polygons: Geometries, place: Place) -> Numbers:
    """Square metres of polygons that are given in the pixels of a grid whose place is known.

    In a projected system, they are those of the map, as in every GIS, in whatever unit it has. Where lengths of the
    map are wrong by more than 1 % in a corner of the grid (Web Mercator), or it is in degrees, they are those of the
    ground.
    """
    factor = _map_factor(place)
    if factor is not None:
        return factor**2 * abs(place.transform.determinant) * _areas(polygons)

    def moved(cols: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
        return equal_area(*reprojected(place.crs, DEGREES, *place.points_of(cols, rows)))

    return _areas(shapely.transform(shapely.segmentize(polygons, PIECE), moved, interleaved=False))


def _map_factor(place: Place) -> float | None:
    """Metres of a unit of the map, None where the map does not show lengths as they are."""
    if place.crs is None or place.crs.is_geographic:
        return None
    factor = float(place.crs.units_factor[1])
    side = factor * abs(place.transform.determinant) ** 0.5
    sizes = [_size_at(place, row, col) for row in (0, place.height) for col in (0, place.width)]
    is_true = all(size is not None and abs(size / side - 1) <= DISTORTION for size in sizes)
    return factor if is_true else None


def _size_at(place: Place, row: int, col: int) -> float | None:
    transform: Affine = shifted(place.transform, row, col)
    return ground_size(transform, place.crs)


def _areas(polygons: Geometries) -> Numbers:
    found: Numbers = shapely.area(polygons)
    return found
