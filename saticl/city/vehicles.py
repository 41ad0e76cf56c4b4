"""Cars and vans."""

import numpy as np

from saticl.city.canvas import PAINTWORK, Array, Colour
from saticl.city.sketch import Sketch, Spot

COLOURS: list[Colour] = [
    (212, 214, 215), (226, 226, 224), (158, 162, 166), (132, 135, 139), (58, 60, 64), (44, 46, 50), (70, 74, 82),
    (150, 44, 42), (52, 72, 120), (72, 96, 140), (180, 172, 152), (96, 30, 34), (52, 84, 70), (200, 178, 70),
]  # fmt: skip
WEIGHTS = np.array([5, 5, 5, 3, 5, 4, 3, 2, 2, 1.5, 1, 1, 0.7, 0.4])
GLASS = np.array([38, 44, 52])


def draw_car(sketch: Sketch, spot: Spot) -> int:
    """Draw a car with its windows, roof and shadowed edge; returns how many pixels it covers."""
    rng = sketch.rng
    van = sketch.chance(0.08)
    length, width = (5.6, 2.1) if van else (rng.uniform(4.0, 4.8), rng.uniform(1.75, 1.95))
    frame = sketch.canvas.frame(spot.x, spot.y, spot.heading + rng.normal(0, 0.02), length)
    along, across = frame.along / (length / 2), frame.across / (width / 2)
    body = (np.abs(along) ** 5 + np.abs(across) ** 6) < 1
    choice = rng.choice(len(COLOURS), p=WEIGHTS / WEIGHTS.sum())
    paint = sketch.tint((228, 228, 226) if van else COLOURS[choice], 4)
    height = np.where(np.abs(along + 0.1) < 0.55, 2.2 if van else 1.5, 2.0 if van else 1.0)
    return sketch.canvas.paint(frame, body, PAINTWORK, _look(along, across, paint, van), height)


def _look(along: Array, across: Array, paint: Array, van: bool) -> Array:
    """Colour of a car seen from above: bonnet, windscreen, roof, rear window, from front (+1) to back (-1)."""
    tone = 1 - 0.16 * np.abs(across) ** 3 + 0.05 * (along > 0.45)
    colour = tone[..., None] * paint
    windscreen = (along > 0.2) & (along < 0.44) if not van else (along > 0.62) & (along < 0.82)
    rear = (along < -0.62) & (along > -0.8) if not van else along < -2
    sides = (np.abs(across) > 0.74) & (np.abs(across) < 0.93) & (along < 0.3) & (along > -0.65) & (not van)
    roof = (along < 0.2) & (along > -0.62) & (np.abs(across) < 0.74)
    colour = np.where(roof[..., None], colour * 1.06 + 6, colour)
    glass = ((windscreen | rear) & (np.abs(across) < 0.86)) | sides
    return np.asarray(np.where(glass[..., None], GLASS, colour))
