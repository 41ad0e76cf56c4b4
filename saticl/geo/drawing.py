"""Polygons drawn as labels, in squares of a fixed grid: a pixel is the same whatever window it is read with."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize

from saticl.geo.palette import Bytes
from saticl.geo.shapes import Geometries, only_polygons
from saticl.geo.windows import Window

SQUARE = 512
"""Side of the squares, in pixels."""

HELD = 64
"""Squares that are kept, 16 MiB in all: the next window mostly needs some of them again."""

BIG = 200
"""Polygons of more corners than this are cut to the square first, because every one costs time in each of its rows."""


class Drawing:
    """Polygons in pixels, the first at the bottom. The area is any that windows lie in."""

    def __init__(self, polygons: Geometries, labels: Bytes, fill: int, all_touched: bool) -> None:
        """`labels` [N] is what each polygon draws, `fill` what is where there is none.

        With `all_touched`, a polygon covers all pixels that it touches, else those whose centre it holds.
        """
        self._polygons, self._labels, self._fill, self._all_touched = polygons, labels, fill, all_touched
        self._sizes = shapely.get_num_coordinates(polygons)
        self._tree = shapely.STRtree(polygons)
        self._square = lru_cache(HELD)(self._drawn)

    def read(self, window: Window) -> Bytes:
        """The labels [H, W] of a window."""
        labels = np.empty((window.height, window.width), np.uint8)
        for row, col in _squares(window):
            square = Window(row * SQUARE, col * SQUARE, SQUARE, SQUARE)
            shared = _shared(square, window)
            labels[shared.relative_to(window).slices] = self._square(row, col)[shared.relative_to(square).slices]
        return labels

    def _drawn(self, row: int, col: int) -> Bytes:
        top, left = row * SQUARE, col * SQUARE
        frame = shapely.box(left - 1, top - 1, left + SQUARE + 1, top + SQUARE + 1)
        found = np.sort(self._tree.query(frame))
        drawn = [(part, int(self._labels[index])) for index in found for part in self._cut(index, frame)]
        if not drawn:
            return np.full((SQUARE, SQUARE), self._fill, np.uint8)
        pixels = rasterize(
            drawn,
            (SQUARE, SQUARE),
            self._fill,
            transform=Affine.translation(left, top),
            all_touched=self._all_touched,
            dtype="uint8",
        )
        return np.asarray(pixels)

    def _cut(self, index: int, frame: shapely.Geometry) -> Geometries:
        polygon = self._polygons[index : index + 1]
        if self._sizes[index] <= BIG:
            return polygon
        parts, _ = only_polygons(shapely.clip_by_rect(polygon, *shapely.bounds(frame)), np.zeros(1, np.int64))
        return parts


def _squares(window: Window) -> Iterator[tuple[int, int]]:
    rows = range(window.row // SQUARE, (window.row + window.height - 1) // SQUARE + 1)
    cols = range(window.col // SQUARE, (window.col + window.width - 1) // SQUARE + 1)
    return product(rows, cols)


def _shared(one: Window, other: Window) -> Window:
    row, col = max(one.row, other.row), max(one.col, other.col)
    bottom, right = (
        min(one.row + one.height, other.row + other.height),
        min(one.col + one.width, other.col + other.width),
    )
    return Window(row, col, bottom - row, right - col)
