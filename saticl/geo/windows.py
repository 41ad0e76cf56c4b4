"""Grids of overlapping windows that cover a raster exactly, and the partition that scoring uses.

Symbols: size = side of a tile, overlap = pixels shared by neighbours, stride = size - overlap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from saticl.errors import InvalidOptions


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels; row and col are its upper left corner."""

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the window in an array [..., H, W]."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    def relative_to(self, other: "Window") -> "Window":
        """The same rectangle in the coordinates of another window."""
        return Window(self.row - other.row, self.col - other.col, self.height, self.width)


def grid(height: int, width: int, size: int, overlap: int) -> list[Window]:
    """Windows that cover every pixel, none outside and none repeated, row by row.

    The last row and column are pulled inside, so all windows are square; a raster smaller than `size` gives windows of
    its own extent. Raises InvalidOptions where the overlap leaves no stride.
    """
    rows, cols = _starts(height, size, overlap), _starts(width, size, overlap)
    return [Window(row, col, min(size, height), min(size, width)) for row in rows for col in cols]


def cores(height: int, width: int, size: int, overlap: int) -> list[Window]:
    """The part of the raster that each window of `grid` owns, in the same order and in the raster's coordinates.

    A partition: overlaps are cut in the middle, so every pixel is scored exactly once.
    """
    rows, cols = list(_owned(height, size, overlap)), list(_owned(width, size, overlap))
    return [Window(top, left, bottom - top, right - left) for top, bottom in rows for left, right in cols]


def _starts(length: int, size: int, overlap: int) -> list[int]:
    if not 0 <= overlap < size:
        raise InvalidOptions(
            f"An overlap of {overlap} pixels does not fit tiles of {size}: choose 0 to {size - 1} for --overlap."
        )
    if length <= size:
        return [0]
    return [*range(0, length - size, size - overlap), length - size]


def _owned(length: int, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    starts = _starts(length, size, overlap)
    cuts = [(left + size + right) // 2 for left, right in pairwise(starts)]
    yield from pairwise([0, *cuts, length])
