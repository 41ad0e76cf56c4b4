"""Where a grid of pixels lies on the ground, and which other grids are the same."""

from dataclasses import dataclass, field

import numpy as np
import rasterio.warp
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS

Numbers = NDArray[np.float64]

SAME_PIXEL = 0.5
"""Grids whose corners are nearer than this, in pixels, are the same: then the nearest pixel is the same one."""


@dataclass(frozen=True)
class Place:
    """A grid of pixels."""

    transform: Affine
    crs: CRS | None
    height: int
    width: int
    name: str = field(default="", compare=False)
    """What messages call it: the file of the image."""

    @property
    def has_transform(self) -> bool:
        """Whether its pixels have coordinates, whatever their system."""
        return not (self.transform.is_identity or self.transform.is_degenerate)

    @property
    def is_known(self) -> bool:
        """Whether it lies anywhere on Earth."""
        return self.crs is not None and self.has_transform

    @property
    def system(self) -> str | None:
        """The coordinate system in a word or two, if there is one."""
        return None if self.crs is None else named(self.crs)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top, in its own coordinate system."""
        x, y = self.corners
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    @property
    def corners(self) -> tuple[Numbers, Numbers]:
        """The x and the y of its four corners."""
        cols, rows = np.array([0.0, self.width, self.width, 0]), np.array([0.0, 0, self.height, self.height])
        return self.points_of(cols, rows)

    def pixels_of(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        """Columns and rows of points in its coordinate system; whole numbers are corners of pixels."""
        return _applied(~self.transform, x, y)

    def points_of(self, cols: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
        """Points in its coordinate system, the opposite of `pixels_of`."""
        return _applied(self.transform, cols, rows)

    def meets(self, other: "Place") -> bool:
        """Whether the box around the other place, in the pixels of this one, covers some of them."""
        cols, rows = self.pixels_of(*reprojected(other.crs, self.crs, *other.corners))
        is_beside = cols.max() <= 0 or cols.min() >= self.width or rows.max() <= 0 or rows.min() >= self.height
        return bool(np.isfinite(cols).all() and np.isfinite(rows).all() and not is_beside)

    def is_same_grid(self, other: "Place") -> bool:
        """Whether each pixel of the other lies on the pixel of this one in the same row and column."""
        if (self.height, self.width) != (other.height, other.width):
            return False
        x, y = reprojected(other.crs, self.crs, *other.corners)
        cols, rows = self.pixels_of(x, y)
        wanted_cols, wanted_rows = self.pixels_of(*self.corners)
        return bool(max(abs(cols - wanted_cols).max(), abs(rows - wanted_rows).max()) < SAME_PIXEL)


def named(crs: CRS | None) -> str:
    """A coordinate system in a word or two: its code, else the name that its definition begins with."""
    if crs is None:
        return "no coordinate system"
    text = str(crs.to_string())
    return text.split('"')[1] if '"' in text else text


def reprojected(source: CRS | None, target: CRS | None, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """Points in another coordinate system, the same points where both are equal.

    Where it does not reach, they are infinite: the point, or all points where the library gives up.
    """
    if source == target:
        return x, y
    try:
        new_x, new_y = rasterio.warp.transform(source, target, x, y)
    except CPLE_BaseError:
        return np.full_like(x, np.inf), np.full_like(y, np.inf)
    return np.asarray(new_x), np.asarray(new_y)


def _applied(transform: Affine, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    a, b, c, d, e, f = list(transform)[:6]
    return a * x + b * y + c, d * x + e * y + f
