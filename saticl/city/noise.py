"""Smooth random fields that repeat seamlessly, so that a small one covers a scene of any size."""

import cv2
import numpy as np

from saticl.city.canvas import Array

PERIOD = 1024
"""Side of a field in pixels."""


def field(rng: np.random.Generator, sigma: float) -> Array:
    """A periodic field [PERIOD, PERIOD] float32 of mean 0 and deviation 1, smooth over `sigma` pixels."""
    factor = 1
    while sigma / factor > 4 and factor < 64:
        factor *= 2
    side, pad = PERIOD // factor, min(16, PERIOD // factor)
    white = np.pad(rng.standard_normal((side, side), np.float32), pad, mode="wrap")
    smooth = cv2.GaussianBlur(white, (0, 0), max(sigma / factor, 0.05))
    large = cv2.resize(smooth, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    part = large[pad * factor : pad * factor + PERIOD, pad * factor : pad * factor + PERIOD]
    return np.asarray((part - part.mean()) / part.std(), np.float32)


def window(values: Array, rows: slice, cols: slice) -> Array:
    """The part of a periodic field that lies over a window of the scene."""
    down, right = (np.arange(part.start, part.stop) % PERIOD for part in (rows, cols))
    return np.asarray(values[np.ix_(down, right)])
