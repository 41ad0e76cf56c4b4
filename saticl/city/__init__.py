"""A synthetic city seen from above: image, labels and surface model of a scene that never existed.

The same (seed, scene) always gives the same city. Colours, shares and sizes imitate central European towns at 20 cm.
"""

import zlib
from dataclasses import dataclass

import numpy as np

from saticl.city.canvas import CAR, LABELS, Array, Canvas
from saticl.city.compose import compose
from saticl.city.light import photograph
from saticl.city.noise import field, window

RESOLUTION = 0.2
"""Metres per pixel."""
SMALLEST = 64.0
"""Metres: smaller scenes would not hold a street, a house, a tree and a car, so their pixels are larger."""
ATTEMPTS = 40
LEAST = {CAR: 0.004}
"""Shares that a scene has at least, by label; others 1.5 %."""


@dataclass(frozen=True)
class City:
    """One scene."""

    image: Array
    """[S, S, 4] uint8: red, green, blue, near infrared."""
    label: Array
    """[S, S] uint8: label of the ISPRS class."""
    dsm: Array
    """[S, S] float32: metres of the surface, objects included."""
    resolution: float
    """Metres per pixel."""


def resolution(size: int) -> float:
    """Metres per pixel of a scene of `size` pixels."""
    return max(RESOLUTION, SMALLEST / size)


def draw_city(size: int, seed: int, scene: str) -> City:
    """Draw a square scene of `size` pixels that holds every class (below 96 pixels, most of the time)."""
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, zlib.crc32(scene.encode()), attempt])
        canvas = Canvas(size, resolution(size))
        compose(canvas, rng)
        if all(canvas.share(label) >= LEAST.get(label, 0.015) for label in range(LABELS)):
            break
    image = photograph(canvas, rng)
    return City(image, canvas.label, _terrain(canvas, rng) + canvas.height, canvas.resolution)


def _terrain(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Height of the bare ground: gentle hills around 35 m."""
    hills = field(rng, 60 / canvas.resolution)
    whole = slice(0, canvas.size)
    tilt = np.linspace(-1, 1, canvas.size, dtype=np.float32) * np.float32(rng.normal(0, 0.6))
    return window(hills, whole, whole) * np.float32(0.5) + tilt + np.float32(35)
