"""What a scene is painted on: colours, labels and heights of every pixel, addressed in metres.

World coordinates are metres, x to the right and y downwards, from the upper left corner of the scene.
Colours are the red, green and blue of the surface in full sun, 0 to 255; near infrared follows from the surface.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Colour = Sequence[float] | Array
"""Red, green, blue."""

IMPERVIOUS, BUILDING, LOW_VEGETATION, TREE, CAR, CLUTTER = range(6)
"""Labels, in the order of the ISPRS classes."""
LABELS = 6

RED, GREEN = 0, 1
FRACTION = 4
"""Fractional bits of the coordinates that OpenCV draws with."""


class Surface(NamedTuple):
    """What a pixel is made of."""

    label: int
    grain: tuple[float, float, float, float]
    """Relative strength of the noise per pixel, and over about 0.5 m, 3 m and 12 m."""
    relief: float
    """How strongly its own slopes are shaded."""
    nir_band: int
    """The visible band that near infrared follows."""
    nir: float
    """Near infrared as a multiple of that band: above red for plants, below for everything else."""


ASPHALT = Surface(IMPERVIOUS, (0.03, 0.03, 0.03, 0.05), 0.0, RED, 0.84)
PAVING = Surface(IMPERVIOUS, (0.05, 0.06, 0.05, 0.04), 0.0, RED, 0.88)
ROOF = Surface(BUILDING, (0.03, 0.025, 0.04, 0.0), 0.0, RED, 0.86)
LAWN = Surface(LOW_VEGETATION, (0.05, 0.08, 0.09, 0.12), 0.0, GREEN, 1.42)
CROPS = Surface(LOW_VEGETATION, (0.06, 0.10, 0.05, 0.06), 0.0, GREEN, 1.5)
SHRUB = Surface(LOW_VEGETATION, (0.08, 0.14, 0.08, 0.0), 0.35, GREEN, 1.75)
CROWN = Surface(TREE, (0.07, 0.07, 0.04, 0.0), 0.62, GREEN, 1.95)
PAINTWORK = Surface(CAR, (0.02, 0.0, 0.0, 0.0), 0.0, RED, 0.82)
WATER = Surface(CLUTTER, (0.015, 0.02, 0.03, 0.06), 0.0, RED, 0.5)
SOIL = Surface(CLUTTER, (0.05, 0.09, 0.09, 0.08), 0.55, RED, 0.93)
OBJECT = Surface(CLUTTER, (0.03, 0.03, 0.0, 0.0), 0.0, RED, 0.85)
SURFACES = (ASPHALT, PAVING, ROOF, LAWN, CROPS, SHRUB, CROWN, PAINTWORK, WATER, SOIL, OBJECT)


class Frame(NamedTuple):
    """Part of the canvas around an object: its window, and every pixel's position in the object's own axes."""

    window: tuple[slice, slice]
    along: Array
    across: Array


class Canvas:
    """A square scene of S x S pixels.

    `colour` [S, S, 4], `label` and `surface` (in SURFACES) [S, S] are uint8, `height` is metres above the ground.
    """

    def __init__(self, size: int, resolution: float) -> None:
        self.size = size
        self.resolution = resolution
        self.extent = size * resolution
        self.colour = np.zeros((size, size, 4), np.uint8)
        self.label = np.zeros((size, size), np.uint8)
        self.surface = np.zeros((size, size), np.uint8)
        self.height = np.zeros((size, size), np.float32)

    def frame(self, x: float, y: float, angle: float, reach: float) -> Frame:
        """The pixels within `reach` metres of a point (none if it is far outside), in axes turned by `angle`."""
        rows = self._pixels(y, reach)
        cols = self._pixels(x, reach)
        right = ((np.arange(cols.start, cols.stop) + 0.5) * self.resolution - x).astype(np.float32)[None, :]
        down = ((np.arange(rows.start, rows.stop) + 0.5) * self.resolution - y).astype(np.float32)[:, None]
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return Frame((rows, cols), cosine * right + sine * down, cosine * down - sine * right)

    def paint(
        self, frame: Frame, mask: Array, surface: Surface, colour: Array | Colour, height: Array | float | None = None
    ) -> int:
        """Cover the masked pixels of a frame; returns how many. Without a height, theirs stays."""
        shades = np.broadcast_to(np.asarray(colour, np.float32), (*mask.shape, 3))[mask]
        infrared = shades[:, surface.nir_band] * surface.nir
        self.colour[frame.window][mask] = np.clip(np.column_stack([shades, infrared]), 0, 255).astype(np.uint8)
        self.label[frame.window][mask] = surface.label
        self.surface[frame.window][mask] = SURFACES.index(surface)
        if height is not None:
            self.height[frame.window][mask] = np.broadcast_to(np.asarray(height, np.float32), mask.shape)[mask]
        return len(shades)

    def fill(self, polygon: Array, surface: Surface, colour: Colour, height: float = 0.0) -> None:
        """Fill a polygon [N, 2] of world coordinates."""
        points = [self.fixed(polygon)]
        cv2.fillPoly(self.colour, points, _with_infrared(colour, surface), shift=FRACTION)
        cv2.fillPoly(self.label, points, (float(surface.label),), shift=FRACTION)
        cv2.fillPoly(self.surface, points, (float(SURFACES.index(surface)),), shift=FRACTION)
        cv2.fillPoly(self.height, points, (height,), shift=FRACTION)

    def line(self, points: Array, surface: Surface, colour: Colour, width: float) -> None:
        """Draw a smooth line [N, 2] on whatever is there; labels stay."""
        thickness = max(1, round(width / self.resolution))
        shade = _with_infrared(colour, surface)
        cv2.polylines(self.colour, [self.fixed(points)], False, shade, thickness, cv2.LINE_AA, FRACTION)

    def share(self, label: int) -> float:
        """Share of the pixels that carry a label."""
        return float(np.count_nonzero(self.label == label)) / self.label.size

    def at(self, x: float, y: float) -> int | None:
        """Label at a point, None outside."""
        row, col = int(y // self.resolution), int(x // self.resolution)
        if 0 <= row < self.size and 0 <= col < self.size:
            return int(self.label[row, col])
        return None

    def fixed(self, points: Array) -> Array:
        """World coordinates [N, 2] as the fixed-point pixels that OpenCV draws with."""
        pixels = np.asarray(points) / self.resolution - 0.5
        return np.asarray(np.rint(pixels * 2**FRACTION), np.int32)

    def _pixels(self, centre: float, reach: float) -> slice:
        first = int(np.floor((centre - reach) / self.resolution))
        last = int(np.ceil((centre + reach) / self.resolution))
        start = min(max(first, 0), self.size)
        return slice(start, max(start, min(last, self.size)))


def _with_infrared(colour: Colour, surface: Surface) -> tuple[float, float, float, float]:
    red, green, blue = (min(max(float(value), 0.0), 255.0) for value in colour)
    return red, green, blue, min((red, green)[surface.nir_band] * surface.nir, 255.0)
