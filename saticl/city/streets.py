"""Streets: pavements, carriageways with rounded corners, kerbs, markings, and places to park along them."""

import cv2
import numpy as np

from saticl.city.canvas import ASPHALT, FRACTION, LAWN, PAVING, SURFACES, Array, Colour
from saticl.city.ground_plan import Street
from saticl.city.sketch import Sketch, Spot

MARKING = (226, 226, 220)
PAVEMENTS: list[Colour] = [(168, 164, 157), (158, 155, 150), (172, 161, 150)]
CARRIAGEWAYS: list[Colour] = [(112, 113, 114), (122, 121, 119), (101, 103, 106), (128, 125, 120)]
OVERLAP = 6.0
"""Metres by which a street runs into the one that it ends at."""


def draw_streets(sketch: Sketch, streets: list[Street]) -> None:
    """Draw all streets on top of the ground, narrow ones first."""
    for street in reversed(streets):
        _strip(sketch, street, -street.width / 2, street.width / 2, sketch.pick(PAVEMENTS, 4))
        if sketch.chance(0.7 if street.is_main else 0.5):
            _verges(sketch, street)
    road = np.zeros_like(sketch.canvas.label)
    for street in reversed(streets):
        colour, half = sketch.pick(CARRIAGEWAYS, 4), street.width / 2 - street.pavement
        outline = sketch.bend(_strip_outline(street, -half, half, OVERLAP))
        sketch.canvas.fill(outline, ASPHALT, colour)
        cv2.fillPoly(road, [sketch.canvas.fixed(outline)], (1,), shift=FRACTION)
    _round_corners(sketch, road)
    for street in streets:
        _wear(sketch, street)
        _mark(sketch, street)
        _park(sketch, street)


def _strip(sketch: Sketch, street: Street, near: float, far: float, colour: Array) -> None:
    sketch.canvas.fill(sketch.bend(_strip_outline(street, near, far, 0.0)), PAVING, colour)


def _verges(sketch: Sketch, street: Street) -> None:
    """Grass and trees between the pavement and the carriageway."""
    start, direction, length = _axis(street)
    side = np.array([-direction[1], direction[0]])
    edge = street.width / 2 - street.pavement
    for sign in (-1, 1):
        outline = _strip_outline(street, sign * edge, sign * (edge + 1.1), 0.0)
        sketch.canvas.fill(sketch.bend(outline), LAWN, (112, 124, 82))
        for position in np.arange(6, length - 6, sketch.rng.uniform(8, 12)):
            x, y = sketch.bend(start + direction * position + side * sign * (edge + 0.7))
            sketch.planting.append((float(x), float(y)))


def _round_corners(sketch: Sketch, road: Array) -> None:
    """Round the corners of junctions and lay a bright kerb around all carriageways."""
    canvas = sketch.canvas
    radius = max(1, round(1.6 / canvas.resolution))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    rounded = cv2.morphologyEx(road, cv2.MORPH_CLOSE, disc)
    corner = (rounded > road) & (canvas.label == 0)
    canvas.colour[corner] = (112, 112, 112, 94)
    canvas.surface[corner] = SURFACES.index(ASPHALT)
    kerb = (cv2.dilate(rounded, np.ones((3, 3), np.uint8)) > rounded) & (canvas.label == 0)
    canvas.colour[kerb] = np.minimum(canvas.colour[kerb].astype(np.int16) + 16, 255).astype(np.uint8)


def _wear(sketch: Sketch, street: Street) -> None:
    """Repaired patches, and dark seams along the lanes."""
    start, direction, length = _axis(street)
    side = np.array([-direction[1], direction[0]])
    half = street.width / 2 - street.pavement
    for _ in range(int(length / 28)):
        position, offset = sketch.rng.uniform(2, max(length - 8, 3)), sketch.rng.uniform(-half + 0.8, half - 2.0)
        long, wide = sketch.rng.uniform(1.5, 9), sketch.rng.uniform(0.7, 2.0)
        corner = start + direction * position + side * offset
        ends = [corner, corner + direction * long, corner + direction * long + side * wide, corner + side * wide]
        sketch.canvas.fill(sketch.bend(np.array(ends)), ASPHALT, sketch.pick(CARRIAGEWAYS, 5))
    if sketch.chance(0.5):
        seam = _points(street, 0.15 * half, 0, length)
        sketch.canvas.line(sketch.bend(seam), ASPHALT, (94, 95, 97), 0.15)


def _mark(sketch: Sketch, street: Street) -> None:
    _, _, length = _axis(street)
    half = street.width / 2 - street.pavement
    if street.is_main:
        for position in np.arange(5, length - 8, 7.0):
            sketch.canvas.line(sketch.bend(_points(street, 0.0, position, position + 3.2)), ASPHALT, MARKING, 0.2)
    if street.is_main or sketch.chance(0.25):
        position = sketch.rng.uniform(6, max(length - 10, 7))
        for offset in np.arange(-half + 0.5, half, 1.0):
            outline = _bar(street, position, position + 3.0, offset, offset + 0.5)
            sketch.canvas.fill(sketch.bend(outline), ASPHALT, MARKING)


def _park(sketch: Sketch, street: Street) -> None:
    start, direction, length = _axis(street)
    side = np.array([-direction[1], direction[0]])
    half = street.width / 2 - street.pavement
    lanes = [(-half + 1.15, 0.75), (half - 1.15, 0.75 if street.is_main else 0.35)]
    if street.is_main:
        lanes += [(-1.7, 0.10), (1.7, 0.10)]
    for offset, density in lanes:
        for position in np.arange(8, length - 8, 5.8):
            if sketch.chance(density):
                point = start + direction * (position + sketch.rng.normal(0, 0.3)) + side * offset
                x, y = sketch.bend(point)
                flip = np.pi if sketch.chance(0.5) else 0.0
                sketch.parking.append(Spot(float(x), float(y), sketch.bend.heading(point, direction) + flip))


def _axis(street: Street) -> tuple[Array, Array, float]:
    start, end = np.array(street.start), np.array(street.end)
    length = float(np.hypot(*(end - start)))
    return start, (end - start) / length, length


def _points(street: Street, offset: float, first: float, last: float) -> Array:
    start, direction, _ = _axis(street)
    side = np.array([-direction[1], direction[0]])
    steps = np.linspace(first, last, max(2, int((last - first) / 4) + 1))[:, None]
    return start + direction * steps + side * offset


def _bar(street: Street, first: float, last: float, near: float, far: float) -> Array:
    return np.concatenate([_points(street, near, first, last), _points(street, far, first, last)[::-1]])


def _strip_outline(street: Street, near: float, far: float, overlap: float) -> Array:
    _, _, length = _axis(street)
    return _bar(street, -overlap, length + overlap, near, far)
