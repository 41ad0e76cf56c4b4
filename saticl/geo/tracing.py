"""Outlines of the regions of a map, without a loop over pixels or polygons: all rings grow at the same time.

Neighbours share all corners of their outlines, also where three regions meet on a straight line, so they can be
simplified together without gaps.
"""

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from saticl.geo.regions import Regions, Whole
from saticl.geo.shapes import Geometries

LEFT, STRAIGHT, RIGHT = 3, 0, 1
"""Turns, as numbers that are added to a direction: 0 is to the right on the map, then clockwise."""


class Corners(NamedTuple):
    """Corners of pixels where borders turn or meet, row by row. Of its four directions (0 to 3, see above) ..."""

    rows: Whole
    cols: Whole
    is_border: NDArray[np.bool_]
    """[N, 4]: in which there is a border."""
    regions: Whole
    """[N, 4]: which region is on the right hand of somebody who leaves in it; -1 is outside the map."""


def trace(regions: Regions, wanted: NDArray[np.bool_]) -> Geometries:
    """The polygons of wanted regions, in the order of their numbers; x is the column, y the row.

    Holes are left out, and every polygon is valid: where a region touches itself at a corner, two rings touch.
    """
    corners = _corners(regions.numbers)
    begins = corners.is_border & (corners.regions >= 0) & wanted[corners.regions]
    following = _following(corners, begins)
    ring_of, to_end = _ranked(following)
    return _polygons(corners, np.flatnonzero(begins.ravel()), ring_of, to_end)


def _corners(numbers: Whole) -> Corners:
    framed = np.pad(numbers, 1, constant_values=-1)
    above_left, above_right = framed[:-1, :-1], framed[:-1, 1:]
    below_left, below_right = framed[1:, :-1], framed[1:, 1:]
    up, down = above_left != above_right, below_left != below_right
    left, right = above_left != below_left, above_right != below_right
    rows, cols = np.nonzero((up | down) & (left | right))
    place = rows, cols
    return Corners(
        rows.astype(np.int32),
        cols.astype(np.int32),
        np.stack([side[place] for side in (right, down, left, up)], axis=1),
        np.stack([side[place] for side in (below_right, below_left, above_left, above_right)], axis=1),
    )


def _following(corners: Corners, begins: NDArray[np.bool_]) -> Whole:
    """Of each piece of border, which leaves a corner in a direction: the piece that continues the outline.

    Pieces are numbered as they are found in `begins` [N, 4].
    """
    start, direction = np.nonzero(begins)
    region = corners.regions[start, direction]
    end = _neighbours(corners)[start, direction]

    def continues(turn: int) -> NDArray[np.bool_]:
        return np.asarray(corners.regions[end, (direction + turn) % 4] == region)

    # To the left first: a region that meets itself at a corner goes round what lies between, which becomes a hole.
    turn = np.where(continues(LEFT), LEFT, np.where(continues(STRAIGHT), STRAIGHT, RIGHT))
    numbers = np.cumsum(begins, dtype=np.int32) - 1
    return np.asarray(numbers[4 * end + (direction + turn) % 4])


def _neighbours(corners: Corners) -> NDArray[np.int64]:
    """[N, 4]: the next corner in each direction; what stands where there is no border means nothing."""
    number = len(corners.rows)
    found = np.zeros((number, 4), np.int64)
    found[:-1, 0] = np.arange(1, number)
    found[1:, 2] = np.arange(number - 1)
    by_column = np.argsort(corners.cols, kind="stable")
    found[by_column[:-1], 1] = by_column[1:]
    found[by_column[1:], 3] = by_column[:-1]
    return found


def _ranked(following: Whole) -> tuple[Whole, Whole]:
    """Of each piece the first piece of its ring, and how many pieces follow until the ring is closed.

    Every turn looks twice as far ahead as the one before, for all rings at once.
    """
    first, ahead = np.arange(len(following), dtype=np.int32), following
    while not np.array_equal(first[following], first):
        first, ahead = np.minimum(first, first[ahead]), ahead[ahead]
    is_last = following == first
    ahead = np.where(is_last, np.arange(len(following), dtype=np.int32), following)
    steps = (~is_last).astype(np.int32)
    while not np.array_equal(further := ahead[ahead], ahead):
        steps, ahead = steps + steps[ahead], further
    return first, steps


def _polygons(corners: Corners, pieces: NDArray[np.int64], ring_of: Whole, to_end: Whole) -> Geometries:
    """Polygons of pieces (numbers in [N, 4]), each with its ring and its distance from the end of it."""
    if not len(pieces):
        return np.array([], object)
    is_first = ring_of == np.arange(len(ring_of))
    sizes = to_end[is_first] + 1
    ends = np.cumsum(sizes)
    ring = (np.cumsum(is_first) - 1)[ring_of]
    ordered = np.empty_like(pieces)
    ordered[ends[ring] - 1 - to_end] = pieces
    starts = ends - sizes
    corner = ordered // 4
    xy = np.column_stack([corners.cols[corner], corners.rows[corner]]).astype(np.float64)
    rings = shapely.linearrings(xy, indices=np.repeat(np.arange(len(sizes)), sizes))
    region = corners.regions.ravel()[ordered[starts]]
    # Rings are in the order of their first corners, so the one around a region comes before those of its holes.
    sorted_rings = np.argsort(region, kind="stable")
    _, owner = np.unique(region[sorted_rings], return_inverse=True)
    polygons: Geometries = shapely.polygons(rings[sorted_rings], indices=owner)
    return polygons
