"""Open ground: parks, fields, building sites and ponds."""

import numpy as np

from saticl.city.canvas import CROPS, LAWN, OBJECT, PAVING, SOIL, WATER, Array, Colour
from saticl.city.ground_plan import Plot
from saticl.city.plants import draw_shrub
from saticl.city.quarters import LAWNS, draw_container
from saticl.city.sketch import Sketch

EARTH: list[Colour] = [(168, 148, 120), (180, 164, 138), (156, 134, 108)]
GRAVEL: Colour = (190, 180, 160)
ROWS: list[Colour] = [(112, 124, 74), (132, 136, 84), (98, 116, 66), (142, 138, 96), (88, 108, 60)]


def draw_park(sketch: Sketch, plot: Plot) -> None:
    """Lawns with winding paths, groups of trees, and sometimes a playground."""
    rng, width, depth = sketch.rng, plot.width, plot.depth
    sketch.area(plot, (0, 0, width, depth), LAWN, sketch.pick(LAWNS, 4))
    for _ in range(2):
        _path(sketch, plot, rng.uniform(1.6, 2.6))
    if sketch.chance(0.5):
        x, y, _ = sketch.stand(plot, width * rng.uniform(0.3, 0.7), depth * rng.uniform(0.3, 0.7))
        _blob(sketch, x, y, rng.uniform(3, 5), (206, 190, 156))
    for _ in range(max(2, int(width * depth / 260))):
        along, away = rng.uniform(0.06, 0.94, 2) * (width, depth)
        for _ in range(int(rng.integers(2, 7))):
            x, y, _ = sketch.stand(plot, along + rng.normal(0, 4), away + rng.normal(0, 4))
            sketch.planting.append((x, y))


def draw_field(sketch: Sketch, plot: Plot) -> None:
    """Allotments: strips of different crops in rows."""
    rng = sketch.rng
    edge = 0.0
    while edge < plot.width - 1:
        end = min(edge + rng.uniform(5, 14), plot.width)
        colour = sketch.pick(ROWS, 5)
        sketch.area(plot, (edge, 0, end, plot.depth), CROPS, colour)
        spacing = rng.uniform(1.0, 1.8)
        if sketch.chance(0.7):
            for row in np.arange(edge + 0.8, end - 0.5, spacing):
                sketch.stripe(plot, (row, 1), (row, plot.depth - 1), (CROPS, 0.86 * colour, 0.4))
        edge = end


def draw_site(sketch: Sketch, plot: Plot, start: float) -> None:
    """A building site from `start` metres behind the street: bare earth, tracks, a pit, heaps and containers."""
    rng, width, depth = sketch.rng, plot.width, plot.depth
    sketch.area(plot, (0, 0, width, depth), LAWN, sketch.pick(LAWNS, 5))
    sketch.area(plot, (0.6, start, width - 0.6, depth - 0.6), SOIL, sketch.pick(EARTH, 4))
    for _ in range(5):
        _tracks(sketch, plot, start)
    middle = (start + depth) / 2
    if depth - start > 14 and sketch.chance(0.7):
        half = (width * 0.22, (depth - start) * 0.2)
        slab = (width * 0.55 - half[0], middle - half[1], width * 0.55 + half[0], middle + half[1])
        sketch.area(plot, slab, SOIL, (118, 102, 84))
        inner = (slab[0] + 1.2, slab[1] + 1.2, slab[2] - 1.2, slab[3] - 1.2)
        sketch.area(plot, inner, OBJECT, (178, 176, 170))
    for _ in range(int(rng.integers(2, 5))):
        x, y, _ = sketch.stand(
            plot, rng.uniform(0.2, 0.8) * width, rng.uniform(start + 3, max(depth - 3, start + 3.1))
        )
        _heap(sketch, x, y, rng.uniform(1.8, min(4.2, width / 4)))
    for number in range(int(rng.integers(1, 4))):
        draw_container(sketch, plot, (4 + 3 * number, depth - 4.5), np.pi / 2)


def draw_pond(sketch: Sketch, plot: Plot, start: float) -> None:
    """A pond with a grassy bank, reeds and trees."""
    rng = sketch.rng
    sketch.area(plot, (0, 0, plot.width, plot.depth), LAWN, sketch.pick(LAWNS, 4))
    x, y, angle = sketch.stand(plot, plot.width / 2, (start + plot.depth) / 2)
    half_along, half_across = plot.width / 2 - 0.8, (plot.depth - start) / 2 - 0.8
    outline = _outline(sketch, half_along, half_across) @ _turn(angle) + (x, y)
    sketch.canvas.fill(outline, WATER, sketch.tint((74, 92, 84), 6), -0.8)
    for bank in outline[:: max(1, len(outline) // 14)]:
        if sketch.chance(0.5):
            draw_shrub(sketch, float(bank[0]), float(bank[1]), rng.uniform(0.6, 1.3))
        if sketch.chance(0.25):
            away = (bank - (x, y)) * 1.08 + (x, y)
            sketch.planting.append((float(away[0]), float(away[1])))


def _path(sketch: Sketch, plot: Plot, width: float) -> None:
    """A winding gravel path across a plot."""
    steps = np.linspace(0, 1, 40)
    swing = sketch.rng.uniform(0.05, 0.18) * np.sin(steps * sketch.rng.uniform(3, 8) + sketch.rng.uniform(0, 6))
    offset = sketch.rng.uniform(0.25, 0.75) + swing
    lengthwise = sketch.chance(0.5)
    points = [plot.at(s * plot.width, o * plot.depth) if lengthwise else plot.at(o * plot.width, s * plot.depth)
              for s, o in zip(steps, offset, strict=True)]  # fmt: skip
    line = sketch.bend(np.stack(points))
    along = np.gradient(line, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.hypot(along[:, 0], along[:, 1])[:, None]
    sides = [line + across * width / 2, (line - across * width / 2)[::-1]]
    sketch.canvas.fill(np.concatenate(sides), PAVING, sketch.tint(GRAVEL, 4))


def _tracks(sketch: Sketch, plot: Plot, start: float) -> None:
    """The two ruts of a vehicle."""
    rng = sketch.rng
    steps = np.linspace(0, 1, 16)
    ends = rng.uniform(0.1, 0.9, 2)
    curve = ends[0] + (ends[1] - ends[0]) * steps + rng.uniform(-0.15, 0.15) * np.sin(np.pi * steps)
    away = start + 1 + steps * (plot.depth - start - 2)
    for shift in (0.0, 1.9):
        points = [plot.at(c * (plot.width - 4) + 1 + shift, a) for c, a in zip(curve, away, strict=True)]
        sketch.canvas.line(sketch.bend(np.stack(points)), SOIL, (136, 118, 94), 0.45)


def _heap(sketch: Sketch, x: float, y: float, radius: float) -> None:
    frame = sketch.canvas.frame(x, y, sketch.rng.uniform(0, 6), radius * 1.3)
    distance = np.hypot(frame.along, frame.across * sketch.rng.uniform(1, 1.5)) / radius
    bumps = 0.12 * np.sin(frame.along * 2.3) * np.sin(frame.across * 2.9)
    height = np.clip(1 - distance + bumps, 0, 1) * radius * 0.75
    sketch.canvas.paint(frame, height > 0.05, SOIL, sketch.pick(EARTH, 6), height)


def _blob(sketch: Sketch, x: float, y: float, radius: float, colour: Colour) -> None:
    outline = _outline(sketch, radius, radius * sketch.rng.uniform(0.7, 1)) @ _turn(sketch.rng.uniform(0, 3)) + (x, y)
    sketch.canvas.fill(outline, SOIL, colour)


def _outline(sketch: Sketch, half_along: float, half_across: float) -> Array:
    """An irregular closed curve [N, 2] within a rectangle around the origin."""
    bearing = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radius = np.full_like(bearing, 0.86)
    for number in (2, 3, 5):
        radius += sketch.rng.uniform(0.02, 0.07) * np.sin(number * bearing + sketch.rng.uniform(0, 6))
    # A superellipse: rounder than the plot, yet filling most of it.
    cosine, sine = np.cos(bearing), np.sin(bearing)
    radius /= (np.abs(cosine) ** 3.5 + np.abs(sine) ** 3.5) ** (1 / 3.5)
    return np.stack([radius * cosine * half_along, radius * sine * half_across], 1)


def _turn(angle: float) -> Array:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
