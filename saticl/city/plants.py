"""Trees, shrubs and hedges."""

import numpy as np

from saticl.city.canvas import CROWN, SHRUB, Array, Colour
from saticl.city.noise import window
from saticl.city.sketch import Sketch

LEAVES: list[Colour] = [
    (70, 86, 52),
    (62, 78, 50),
    (82, 96, 56),
    (90, 100, 60),
    (56, 70, 48),
    (98, 98, 58),
    (76, 92, 62),
]
NEEDLES: list[Colour] = [(46, 60, 46), (52, 64, 52)]


def draw_tree(sketch: Sketch, x: float, y: float, radius: float) -> int:
    """Draw a crown of irregular outline where it overtops what is there; returns how many pixels it covers."""
    rng, canvas = sketch.rng, sketch.canvas
    conifer = sketch.chance(0.12)
    radius = radius * 0.75 if conifer else radius
    frame = canvas.frame(x, y, rng.uniform(0, 6.28), radius * 1.4)
    distance = np.hypot(frame.along, frame.across) / (radius * _outline(sketch, frame.along, frame.across, conifer))
    dome = np.sqrt(np.clip(1 - distance**2, 0, 1)) if not conifer else np.clip(1 - distance, 0, 1)
    top = (1.5 + radius * rng.uniform(1.8, 2.6)) * (1.25 if conifer else 1.0)
    lumps = window(sketch.foliage, *frame.window)
    height = (top * (0.55 + 0.45 * dome) + lumps * (0.3 if conifer else 0.55)).astype(np.float32)
    mask = (distance < 1) & (height > canvas.height[frame.window])
    tone = 0.9 + 0.16 * dome + 0.12 * lumps
    colour = sketch.pick(NEEDLES if conifer else LEAVES, 7)
    return canvas.paint(frame, mask, CROWN, tone[..., None] * colour, height)


def draw_shrub(sketch: Sketch, x: float, y: float, radius: float) -> None:
    """A round shrub on bare ground."""
    canvas = sketch.canvas
    frame = canvas.frame(x, y, 0.0, radius * 1.3)
    distance = np.hypot(frame.along, frame.across) / (radius * _outline(sketch, frame.along, frame.across, False))
    height = np.clip(1 - distance**2, 0, 1) * radius * 1.2
    mask = (distance < 1) & (canvas.height[frame.window] < 0.3)
    canvas.paint(frame, mask, SHRUB, sketch.pick([(78, 94, 58), (92, 104, 66), (68, 84, 56)], 8), height)


def draw_hedge(sketch: Sketch, start: Array, end: Array, colour: Array) -> None:
    """A hedge between two points of the world."""
    middle, along = (start + end) / 2, end - start
    half = float(np.hypot(*along)) / 2
    width = sketch.rng.uniform(0.4, 0.65)
    frame = sketch.canvas.frame(middle[0], middle[1], float(np.arctan2(along[1], along[0])), half + 1)
    wobble = 1 + 0.15 * np.sin(frame.along * 2.9) + 0.1 * np.sin(frame.along * 7.1 + 1)
    inside = (np.abs(frame.along) < half) & (np.abs(frame.across) < width * wobble)
    inside &= sketch.canvas.height[frame.window] < 0.5
    sketch.canvas.paint(frame, inside, SHRUB, colour, 1.3 - np.abs(frame.across))


def _outline(sketch: Sketch, along: Array, across: Array, conifer: bool) -> Array:
    """Relative radius of a crown in every direction."""
    bearing = np.arctan2(across, along)
    waves = ((9, 0.10), (5, 0.05)) if conifer else ((2, 0.10), (3, 0.09), (5, 0.07), (8, 0.05))
    outline = np.ones_like(bearing)
    for number, strength in waves:
        outline += strength * sketch.rng.uniform(0.4, 1) * np.sin(number * bearing + sketch.rng.uniform(0, 6.28))
    return outline
