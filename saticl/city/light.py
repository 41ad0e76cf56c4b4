"""From surfaces to a photograph: sun and shadow, texture, the sensor's blur and noise."""

import cv2
import numpy as np

from saticl.city.canvas import LOW_VEGETATION, SURFACES, Array, Canvas
from saticl.city.noise import field, window

SUN = np.array([0.52, 0.57], np.float32) / np.float32(np.hypot(0.52, 0.57))
"""Horizontal direction towards the sun (right, down): one flight, one sun."""
SUN_SLOPE = 1.0
"""Metres that a ray rises per metre."""
TALLEST = 40.0
"""Metres of the highest object that still casts a whole shadow."""
SKY = np.array([0.40, 0.44, 0.53, 0.36], np.float32)
"""What the blue sky alone gives in shadow, per band."""
DRY = np.array([0.07, 0.01, -0.02, -0.04], np.float32)
"""Tint of dry grass, per deviation of the broad noise."""
STRIP = 512
HALO = 8


def photograph(canvas: Canvas, rng: np.random.Generator) -> Array:
    """The image [S, S, 4] uint8 (red, green, blue, near infrared) of a painted scene."""
    metres = (0.0, 0.45, 2.5, 11.0)
    fields = [field(rng, max(sigma / canvas.resolution, 0.3)) for sigma in metres]
    shadow = cast_shadows(canvas.height, canvas.resolution)
    gain = (1.05 + rng.normal(0, 0.02, 4)).astype(np.float32)
    image = np.empty((canvas.size, canvas.size, 4), np.uint8)
    for start in range(0, canvas.size, STRIP):
        stop = min(start + STRIP, canvas.size)
        first, last = max(start - HALO, 0), min(stop + HALO, canvas.size)
        lit = _lit(canvas, fields, shadow, slice(first, last)) * gain
        seen = cv2.GaussianBlur(lit, (0, 0), 0.62)[start - first : stop - first]
        grain = rng.standard_normal(seen.shape, np.float32) * (1.1 + 0.008 * seen)
        image[start:stop] = np.clip(np.rint(seen + grain + 7), 1, 255).astype(np.uint8)
    return image


def cast_shadows(height: Array, resolution: float) -> Array:
    """How deep in shadow each pixel lies, 0 to 1: height [S, S] in metres.

    The ray that arrives at each pixel is followed in doubling steps, so the whole of it takes log2 of its length.
    """
    ray = height.copy()
    step = 1
    while step * resolution * SUN_SLOPE < TALLEST and step < max(height.shape):
        right, down = (int(v) for v in np.rint(SUN * step))
        moved = _towards_sun(ray, right, down)
        np.maximum(ray, moved - np.float32(step * resolution * SUN_SLOPE), out=ray)
        step *= 2
    depth = np.clip((ray - height) * np.float32(2.5), 0, 1)
    return cv2.GaussianBlur(depth, (0, 0), 0.7)


def _towards_sun(values: Array, right: int, down: int) -> Array:
    """Each pixel takes the value that lies so many pixels to the right and below; the edge lies at ground level."""
    moved = np.zeros_like(values)
    rows, cols = values.shape
    if down < rows and right < cols:
        moved[: rows - down, : cols - right] = values[down:, right:]
    return moved


def _lit(canvas: Canvas, fields: list[Array], shadow: Array, rows: slice) -> Array:
    """Colours of a strip [h, S, 4] float32, in sun and shadow."""
    kinds = canvas.surface[rows]
    cols = slice(0, canvas.size)
    noise = [window(values, rows, cols) for values in fields]
    grain = np.array([surface.grain for surface in SURFACES], np.float32)
    texture = 1 + sum(grain[:, level][kinds] * values for level, values in enumerate(noise))
    colour = canvas.colour[rows].astype(np.float32) * (texture * _relief(canvas, rows))[..., None]
    grass = (canvas.label[rows] == LOW_VEGETATION) * (0.7 * noise[3] + 0.4 * noise[2])
    colour *= 1 + grass[..., None] * DRY
    dark = shadow[rows][..., None]
    return np.asarray(np.clip(colour * (1 - dark * (1 - SKY)), 0, 250))


def _relief(canvas: Canvas, rows: slice) -> Array:
    """Brightness of slopes: those that face the sun are bright."""
    strength = np.array([surface.relief for surface in SURFACES], np.float32)[canvas.surface[rows]]
    height = cv2.GaussianBlur(canvas.height[rows], (0, 0), 0.8)
    down, right = np.gradient(height, canvas.resolution)
    facing = -(right * SUN[0] + down * SUN[1])
    return np.asarray(1 + strength * np.tanh(facing * np.float32(0.75)))
