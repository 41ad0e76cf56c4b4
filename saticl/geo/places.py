"""Where rasters lie on the ground: two grids compared, and the ground that several rasters share."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import hypot, inf, isfinite
from pathlib import Path
from typing import NamedTuple

from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.warp import transform as convert

from saticl.geo.place import Place
from saticl.geo.raster import opened

Point = tuple[float, float]

Outline = list[Point]
"""Corners of a convex area, in order around it."""


class Shared(NamedTuple):
    """Two rasters that show the same ground."""

    first: int
    second: int
    share: float
    """Of the smaller one, 0 to 1."""


def place_of(path: Path | str) -> Place:
    """The grid of a file, no pixel read; raises InvalidRaster where it cannot be opened."""
    with opened(path) as source:
        return Place(source.transform, source.crs or None, source.height, source.width, str(path))


def distance_px(one: Place, other: Place) -> float:
    """How far two rasters of one scene lie apart, in pixels of the first: at the corners of what both have.

    So a raster that lacks its last columns lies where it should. 0 where one of them has no transform, which is no
    contradiction; infinite where their coordinate systems differ.
    """
    if not (one.has_transform and other.has_transform):
        return 0.0
    if one.crs is not None and other.crs is not None and one.crs != other.crs:
        return inf
    a, b, _, d, e, _ = list(one.transform)[:6]
    side = min(hypot(a, d), hypot(b, e))
    height, width = min(one.height, other.height), min(one.width, other.width)
    both = (_outline(Place(place.transform, place.crs, height, width)) for place in (one, other))
    pairs = zip(*both, strict=True)
    return max(hypot(left[0] - right[0], left[1] - right[1]) / side for left, right in pairs)


def shared_ground(places: Sequence[Place], least: float) -> list[Shared]:
    """The pairs of rasters that share at least this part of the smaller one, in their order.

    Places without a coordinate system are compared with one another only, places without a transform with none.
    """
    named = [index for index, place in enumerate(places) if place.is_known]
    unnamed = [index for index, place in enumerate(places) if place.has_transform and place.crs is None]
    pairs = [
        *_pairs(dict(zip(named, _in_one_system([places[index] for index in named]), strict=True)), least),
        *_pairs({index: _outline(places[index]) for index in unnamed}, least),
    ]
    return sorted(pairs)


def _outline(place: Place) -> Outline:
    """The corners in its own coordinate system, around it."""
    x, y = place.corners
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _in_one_system(places: Sequence[Place]) -> list[Outline]:
    """Outlines in the system that all have, else in degrees; empty where a place is outside the earth."""
    if len({place.crs for place in places}) < 2:
        return [_outline(place) for place in places]
    return [_in_degrees(place) for place in places]


def _in_degrees(place: Place) -> Outline:
    columns, rows = place.corners
    try:
        converted = convert(place.crs, CRS.from_epsg(4326), columns, rows)
    except (CPLE_BaseError, RasterioError):
        return []
    corners = list(zip(converted[0], converted[1], strict=True))
    return corners if all(isfinite(number) for corner in corners for number in corner) else []


def _pairs(outlines: dict[int, Outline], least: float) -> Iterator[Shared]:
    """From left to right, so that only outlines are compared that may touch."""
    boxes = {index: _box(outline) for index, outline in outlines.items() if outline}
    open_now: list[int] = []
    for index in sorted(boxes, key=lambda index: boxes[index][0]):
        left, low, _, high = boxes[index]
        open_now = [other for other in open_now if boxes[other][2] > left]
        for other in open_now:
            if boxes[other][1] < high and boxes[other][3] > low:
                share = _share(outlines[index], outlines[other])
                if share >= least:
                    yield Shared(min(index, other), max(index, other), share)
        open_now.append(index)


def _box(outline: Outline) -> tuple[float, float, float, float]:
    xs, ys = zip(*outline, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _share(one: Outline, other: Outline) -> float:
    x, y = one[0]  # coordinates are millions, and their products would lose what areas differ by
    near, far = ([(px - x, py - y) for px, py in outline] for outline in (one, other))
    return abs(_area(_clipped(near, far))) / min(abs(_area(near)), abs(_area(far)))


def _clipped(outline: Outline, by: Outline) -> Outline:
    """The part of an outline inside another one: what lies outside is cut off, one side after another."""
    turn = 1 if _area(by) > 0 else -1
    for start, end in pairwise([*by, by[0]]):
        heights = [turn * _side(start, end, point) for point in outline]
        kept: Outline = []
        for index, (point, height) in enumerate(zip(outline, heights, strict=True)):
            before, height_before = outline[index - 1], heights[index - 1]
            if (height >= 0) != (height_before >= 0):
                along = height_before / (height_before - height)
                kept.append((before[0] + along * (point[0] - before[0]), before[1] + along * (point[1] - before[1])))
            if height >= 0:
                kept.append(point)
        outline = kept
    return outline


def _side(start: Point, end: Point, point: Point) -> float:
    """Positive to the left of a line."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def _area(outline: Outline) -> float:
    """Positive for corners against the clock."""
    return sum(one[0] * two[1] - two[0] * one[1] for one, two in pairwise([*outline, *outline[:1]])) / 2
