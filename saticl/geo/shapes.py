"""Polygons of any kind as simple, valid ones in the pixels of a grid: taken apart, repaired, cut to the grid."""

from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from saticl.errors import InvalidRaster
from saticl.geo.place import Numbers, Place, named, reprojected

Geometries = NDArray[Any]
"""Array of shapely geometries."""

POLYGON, FIRST_OF_MANY = 3, 4
"""Type numbers of shapely: below are points and lines, from 4 on are collections of parts."""

PIECES = 128
"""An edge is moved to another coordinate system in pieces of this part of the frame: straight lines become curves."""


class Parts(NamedTuple):
    """Simple polygons, and which feature each belongs to."""

    polygons: Geometries
    owners: NDArray[np.int64]
    repaired: tuple[int, ...]
    """Features that had to be repaired."""


def taken_apart(geometries: Geometries, owners: NDArray[np.int64]) -> tuple[Geometries, NDArray[np.int64]]:
    """Parts that are no collections, and the owner of each; what is missing or empty has no parts."""
    parts = geometries
    while (shapely.get_type_id(parts) >= FIRST_OF_MANY).any():
        parts, index = shapely.get_parts(parts, return_index=True)
        owners = owners[index]
    is_there = ~(shapely.is_missing(parts) | shapely.is_empty(parts))
    return parts[is_there], owners[is_there]


def only_polygons(geometries: Geometries, owners: NDArray[np.int64]) -> tuple[Geometries, NDArray[np.int64]]:
    """The same without the points and lines that are left where polygons touch or collapse."""
    parts, owners = taken_apart(geometries, owners)
    is_polygon = shapely.get_type_id(parts) == POLYGON
    return parts[is_polygon], owners[is_polygon]


def valid_parts(geometries: Geometries, source: str, fids: NDArray[np.int64]) -> Parts:
    """Valid polygons of features; raises InvalidRaster for points and lines, and for what cannot be repaired."""
    parts, owners = taken_apart(geometries, np.arange(len(geometries)))
    others = shapely.get_type_id(parts) != POLYGON
    if others.any():
        fid, kind = fids[owners[others][0]], parts[others][0].geom_type
        number = len(np.unique(owners[others]))
        raise InvalidRaster(
            f"{source} has {number:,} features that are no polygons (feature {fid} is a {kind}), but only polygons "
            "cover pixels: remove them, or draw polygons around them (a buffer)."
        )
    broken = np.flatnonzero(~shapely.is_valid(parts))
    for index in broken:
        parts[index] = _repaired(parts[index], source, int(fids[owners[index]]))
    repaired = tuple(sorted({int(fids[owner]) for owner in owners[broken]}))
    return Parts(*only_polygons(parts, owners), repaired)


def in_pixels(parts: Parts, source: str, crs: CRS | None, place: Place, frame: Geometries) -> Parts:
    """What of the polygons lies in `frame`, a box of their coordinate system, in the pixels of the place.

    Raises InvalidRaster for coordinates that the place's coordinate system cannot express.
    """
    polygons, owners = parts.polygons, parts.owners
    beyond = ~shapely.covers(frame, polygons)
    polygons[beyond] = shapely.intersection(polygons[beyond], frame)
    polygons, owners = only_polygons(polygons, owners)
    if crs != place.crs:
        left, bottom, right, top = shapely.bounds(frame)
        polygons = shapely.segmentize(polygons, max(right - left, top - bottom) / PIECES)

    def moved(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        return place.pixels_of(*reprojected(crs, place.crs, x, y))

    polygons = shapely.transform(polygons, moved, interleaved=False)
    if not np.isfinite(shapely.bounds(polygons)).all():
        raise InvalidRaster(
            f"{source} has polygons that cannot be moved from {named(crs)} to {named(place.crs)}, the coordinate "
            f"system of {place.name}: check both."
        )
    return Parts(polygons, owners, parts.repaired)


def _repaired(polygon: Any, source: str, fid: int) -> Any:
    # Of overlapping rings, `structure` keeps the union, as somebody who drew over a line twice means it.
    try:
        return shapely.make_valid(polygon, method="structure", keep_collapsed=False)
    except shapely.GEOSException as error:
        raise InvalidRaster(
            f"Feature {fid} of {source} is not a valid polygon and cannot be repaired ({error}): draw it again, or "
            "delete it."
        ) from error
