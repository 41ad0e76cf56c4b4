"""How much ground a pixel covers, whatever the unit of its coordinate system: metres, feet or degrees."""

from math import cos, isfinite, radians, sin, sqrt

import numpy as np
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.warp import transform as convert

from saticl.geo.place import Numbers

EQUATOR_M, ECCENTRICITY_2 = 6_378_137.0, 0.00669437999014
"""Shape of the earth in WGS 84."""

STEP = 64
"""Pixels that are measured together: one of some centimetres is not far from the last digit of a degree."""


def ground_size(transform: Affine, crs: CRS | None) -> float | None:
    """Metres of ground per pixel at the raster's first corner: the side of a square as large as one pixel.

    Corners are converted to latitude and longitude, so feet, degrees and maps whose scale grows with the latitude are
    measured alike. A local system, which has no place on the earth, counts by its unit. None where there is no
    coordinate system, or no transform.
    """
    if crs is None or transform.is_identity or transform.is_degenerate:
        return None
    a, b, c, d, e, f = list(transform)[:6]
    try:
        converted = convert(crs, CRS.from_epsg(4326), [c, c + STEP * a, c + STEP * b], [f, f + STEP * d, f + STEP * e])
    except (CPLE_BaseError, RasterioError):
        return _by_unit(transform, crs)
    longitudes, latitudes = converted[0], converted[1]
    if not all(map(isfinite, (*longitudes, *latitudes))):
        return _by_unit(transform, crs)
    east, north = _metres_per_degree(latitudes[0])
    to_right = (longitudes[1] - longitudes[0], latitudes[1] - latitudes[0])
    downwards = (longitudes[2] - longitudes[0], latitudes[2] - latitudes[0])
    square_degrees = abs(to_right[0] * downwards[1] - to_right[1] * downwards[0])
    return sqrt(square_degrees * east * north) / STEP


def equal_area(longitudes: Numbers, latitudes: Numbers) -> tuple[Numbers, Numbers]:
    """Points of WGS 84 in degrees on a map in metres whose areas are those of the ground (cylindrical equal area).

    Meridians and parallels stay straight, so pixels along them stay rectangles. Longitudes may go on beyond 180.
    """
    eccentricity, sine = sqrt(ECCENTRICITY_2), np.sin(np.radians(latitudes))
    bent = sine / (1 - ECCENTRICITY_2 * sine**2) + np.arctanh(eccentricity * sine) / eccentricity
    return EQUATOR_M * np.radians(longitudes), EQUATOR_M * (1 - ECCENTRICITY_2) / 2 * bent


def _metres_per_degree(latitude: float) -> tuple[float, float]:
    """To the east and to the north."""
    bend = 1 - ECCENTRICITY_2 * sin(radians(latitude)) ** 2
    east = EQUATOR_M * cos(radians(latitude)) / sqrt(bend)
    north = EQUATOR_M * (1 - ECCENTRICITY_2) / bend**1.5
    return radians(east), radians(north)


def _by_unit(transform: Affine, crs: CRS) -> float | None:
    if crs.is_geographic:
        return None
    return sqrt(abs(transform.determinant)) * float(crs.units_factor[1])
