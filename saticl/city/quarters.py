"""What stands on a plot: detached houses with gardens, town houses, apartment blocks, works."""

from itertools import pairwise

import numpy as np

from saticl.city.buildings import Building, RoofKind, Wing, draw_building
from saticl.city.canvas import ASPHALT, LAWN, OBJECT, PAVING, WATER, Array, Colour
from saticl.city.ground_plan import Plot
from saticl.city.plants import draw_hedge, draw_shrub
from saticl.city.sketch import Sketch, Spot

LAWNS: list[Colour] = [(118, 132, 80), (108, 124, 76), (128, 136, 88), (100, 116, 72), (136, 138, 96)]
DRIVES: list[Colour] = [(160, 150, 142), (150, 132, 122), (140, 138, 136), (172, 164, 152)]
YARDS: list[Colour] = [(146, 142, 136), (132, 130, 127), (156, 148, 138)]
HEDGE: Colour = (76, 92, 56)
STEEL: list[Colour] = [(168, 70, 52), (70, 98, 140), (96, 120, 92), (182, 150, 66), (150, 152, 152), (190, 192, 190)]
LINE: Colour = (206, 206, 202)


def draw_house(sketch: Sketch, plot: Plot) -> None:
    """A detached house with garage, drive, terrace, hedges and garden."""
    rng = sketch.rng
    sketch.area(plot, (0, 0, plot.width, plot.depth), LAWN, sketch.pick(LAWNS, 5))
    wide, deep = min(plot.width - 4.6, rng.uniform(10.5, 15)), min(rng.uniform(10, 14), plot.depth * 0.52)
    front = rng.uniform(3.0, 5.0)
    along = plot.width - 1.2 - wide / 2 if sketch.chance(0.6) else plot.width / 2 + 1
    away = front + deep / 2
    _drive(sketch, plot, away)
    sketch.area(plot, (along - 0.8, 0, along + 0.8, front), PAVING, sketch.pick(DRIVES))
    terrace = (along - wide * 0.4, away + deep / 2, along + wide * 0.3, away + deep / 2 + rng.uniform(1.5, 3.5))
    sketch.area(plot, terrace, PAVING, sketch.pick(DRIVES))
    roof: RoofKind = rng.choice(["gable", "gable", "hip", "flat"])
    _build(sketch, plot, (along, away), _wings(sketch, wide, deep), (roof, rng.uniform(3.2, 6.0)))
    _garden(sketch, plot, terrace[3] + 1)


def draw_town_house(sketch: Sketch, plot: Plot) -> None:
    """A house in a closed row on the street, with a rear wing and a courtyard."""
    rng = sketch.rng
    sketch.area(plot, (0, 0, plot.width, plot.depth), PAVING, sketch.pick(YARDS, 5))
    deep, eaves = min(rng.uniform(12.0, 14.5), 0.6 * plot.depth), rng.uniform(7.0, 10.5)
    if sketch.chance(0.85):
        green = (0, deep + rng.uniform(1.5, 4), plot.width * rng.uniform(0.85, 1), plot.depth)
        sketch.area(plot, green, LAWN, sketch.pick(LAWNS, 5))
    wide = plot.width / 2 + 0.35
    wings = [Wing(0, 0, wide, deep / 2)]
    rear = min(rng.uniform(5, 10), plot.depth - deep - 3)
    if sketch.chance(0.55) and rear > 3:
        half = rng.uniform(2.4, 3.2)
        wings.append(Wing(rng.choice([-1, 1]) * (wide - half - 0.2), deep / 2 + rear / 2 - 2, half, rear / 2 + 2))
    roof: RoofKind = rng.choice(["gable", "gable", "gable", "flat"])
    _build(sketch, plot, (plot.width / 2, deep / 2 + 0.3), tuple(wings), (roof, eaves))
    if sketch.chance(0.45):
        _build(sketch, plot, (plot.width / 2, plot.depth - 2.8), (Wing(0, 0, wide * 0.7, 2.6),), ("flat", 3.0))
    _bins(sketch, plot, (plot.width * 0.3, deep + 1.6))
    _maybe_park(sketch, plot, (plot.width * 0.6, deep + 3.5), 0.5)


def draw_apartments(sketch: Sketch, plot: Plot) -> None:
    """A long block of flats on a lawn, with a row of parked cars in front."""
    rng = sketch.rng
    sketch.area(plot, (0, 0, plot.width, plot.depth), LAWN, sketch.pick(LAWNS, 5))
    draw_parking(sketch, plot, (2, 0, plot.width - 2, 6.2))
    deep = min(rng.uniform(12, 15), plot.depth - 12)
    half = max(min(plot.width / 2 - rng.uniform(1.5, 3), 24), 6)
    away = 9 + deep / 2
    sketch.area(plot, (1, 7, plot.width - 1, 8.4), PAVING, sketch.pick(DRIVES))
    wings = [Wing(0, 0, half, deep / 2)]
    if sketch.chance(0.5):
        side = rng.choice([-1, 1])
        wings.append(Wing(side * (half - deep / 2), deep / 2 + 2, deep / 2, 5))
    roof: RoofKind = "flat" if sketch.chance(0.75) else "hip"
    _build(sketch, plot, (plot.width / 2, away), tuple(wings), (roof, rng.uniform(8.5, 12)))
    for door in np.arange(-half + 5, half - 3, 11):
        sketch.area(plot, (plot.width / 2 + door, 8, plot.width / 2 + door + 1.6, 9.2), PAVING, sketch.pick(DRIVES))
        _bins(sketch, plot, (plot.width / 2 + door + 3, 6.8))
    _shrubs(sketch, plot, away + deep / 2 + 2, 6)


def draw_works(sketch: Sketch, plot: Plot) -> None:
    """A hall in a paved yard, with parked cars and a few containers."""
    rng = sketch.rng
    sketch.area(plot, (0, 0, plot.width, plot.depth), LAWN, sketch.pick(LAWNS, 5))
    sketch.area(
        plot, (0.8, 1.2, plot.width - 0.8, plot.depth - 4), ASPHALT, sketch.pick([(124, 123, 121), (112, 113, 114)], 5)
    )
    draw_parking(sketch, plot, (1.5, 1.5, plot.width * 0.6, 7.5))
    deep = plot.depth - 14
    wide = plot.width * rng.uniform(0.72, 0.84)
    wings = [Wing(0, 0, wide / 2, deep / 2)]
    if sketch.chance(0.5):
        wings.append(Wing(-wide / 2 + 5, -deep / 2 - 1, 4, 2.5))
    _build(sketch, plot, (wide / 2 + 1.5, 8.5 + deep / 2), tuple(wings), ("flat", rng.uniform(5, 8)))
    for away in np.arange(10, plot.depth - 4, rng.uniform(3.2, 5)):
        if sketch.chance(0.4):
            draw_container(sketch, plot, (plot.width - 5.0, away), 0.0)


def draw_parking(sketch: Sketch, plot: Plot, box: tuple[float, float, float, float]) -> None:
    """A row of marked parking places, nose to kerb: (along, away, along end, away end)."""
    surface = ASPHALT if sketch.chance(0.5) else PAVING
    sketch.area(plot, box, surface, sketch.pick([(124, 124, 123), (136, 132, 128)], 4))
    along, _, along_end, away_end = box
    density = sketch.rng.uniform(0.45, 0.85)
    for place in np.arange(along + 0.3, along_end - 2.5, 2.55):
        sketch.stripe(plot, (place, away_end), (place, away_end - 4.8), (ASPHALT, LINE, 0.12))
        _maybe_park(sketch, plot, (place + 1.27, away_end - 2.5), density)


def draw_container(sketch: Sketch, plot: Plot, place: tuple[float, float], turn: float) -> None:
    """A shipping container or a skip, if there is room for it."""
    x, y, angle = sketch.stand(plot, *place, turn)
    frame = sketch.canvas.frame(x, y, angle, 4.5)
    half = 3.0 if sketch.chance(0.6) else 1.8
    colour = sketch.pick(STEEL, 7)
    ribs = 1 + 0.06 * np.sin(frame.along * 9) + 0 * frame.across
    inside = (np.abs(frame.along) < half) & (np.abs(frame.across) < 1.2)
    if not (sketch.canvas.height[frame.window][inside] > 0.5).any():
        sketch.canvas.paint(frame, inside, OBJECT, ribs[..., None] * colour, 2.6)


def _build(
    sketch: Sketch, plot: Plot, place: tuple[float, float], wings: tuple[Wing, ...], roof: tuple[RoofKind, float]
) -> None:
    x, y, angle = sketch.stand(plot, *place)
    slope = sketch.rng.uniform(0.55, 0.9)
    draw_building(sketch, Building(x, y, angle, wings, roof[0], roof[1], slope))


def _wings(sketch: Sketch, wide: float, deep: float) -> tuple[Wing, ...]:
    """A rectangle, or an L or T of two."""
    main = Wing(0, 0, wide / 2, deep / 2)
    if sketch.chance(0.5):
        return (main,)
    half = wide * sketch.rng.uniform(0.2, 0.28)
    side = sketch.rng.choice([-1, 0, 1]) * (wide / 2 - half)
    return (Wing(0, deep * 0.08, wide / 2, deep * 0.36), Wing(side, 0, half, deep * 0.62))


def _drive(sketch: Sketch, plot: Plot, away: float) -> None:
    """A drive along the side of the house, a garage at its end, and maybe a car."""
    sketch.area(plot, (0.7, 0, 3.5, away + 2), PAVING, sketch.pick(DRIVES))
    if sketch.chance(0.7):
        _build(sketch, plot, (2.2, away + 4.6), (Wing(0, 0, 1.8, 3.2),), ("flat", 2.7))
    _maybe_park(sketch, plot, (2.2, away - 1.5), 0.5)


def _garden(sketch: Sketch, plot: Plot, start: float) -> None:
    rng, width, depth = sketch.rng, plot.width, plot.depth
    colour = sketch.tint(HEDGE, 6)
    corners = [(0.4, 5.0), (0.4, depth - 0.5), (width - 0.4, depth - 0.5), (width - 0.4, 5.0)]
    for first, second in pairwise(corners):
        if sketch.chance(0.55):
            draw_hedge(sketch, sketch.bend(plot.at(*first)), sketch.bend(plot.at(*second)), colour)
    if depth - start > 7 and sketch.chance(0.3):
        _pool(sketch, plot, (width * 0.55, (start + depth) / 2))
    if sketch.chance(0.4):
        _build(sketch, plot, (width - 2.6, depth - 2.6), (Wing(0, 0, 1.6, 1.3),), ("gable", 2.0))
    if sketch.chance(0.5):
        bed = (1.2, depth - 4, rng.uniform(3, 6), depth - 1.2)
        sketch.area(plot, bed, LAWN, sketch.pick([(104, 104, 70), (92, 108, 62)], 6))
    _bins(sketch, plot, (4.6, 1.2))
    _shrubs(sketch, plot, start, int(rng.integers(2, 7)))


def _pool(sketch: Sketch, plot: Plot, place: tuple[float, float]) -> None:
    """A swimming pool with a paved rim, or a trampoline."""
    if sketch.chance(0.6):
        along, away = place
        sketch.area(plot, (along - 4.2, away - 2.6, along + 4.2, away + 2.6), PAVING, (186, 178, 166))
        sketch.area(plot, (along - 3.4, away - 1.8, along + 3.4, away + 1.8), WATER, sketch.tint((104, 172, 186), 5))
        return
    x, y, _ = sketch.stand(plot, *place)
    frame = sketch.canvas.frame(x, y, 0.0, 2.2)
    distance = np.hypot(frame.along, frame.across)
    rim: Array = np.where((distance > 1.45)[..., None], np.array([66, 96, 150]), np.array([52, 54, 58]))
    sketch.canvas.paint(frame, distance < 1.9, OBJECT, rim, 0.8)


def _bins(sketch: Sketch, plot: Plot, place: tuple[float, float]) -> None:
    """A row of refuse bins."""
    x, y, angle = sketch.stand(plot, *place)
    for number in range(int(sketch.rng.integers(1, 4))):
        shift = 0.95 * number
        frame = sketch.canvas.frame(x + shift * np.cos(angle), y + shift * np.sin(angle), angle, 1)
        inside = (np.abs(frame.along) < 0.38) & (np.abs(frame.across) < 0.42)
        colour = sketch.pick([(54, 58, 56), (64, 84, 120), (176, 160, 70), (88, 64, 48)])
        sketch.canvas.paint(frame, inside & (sketch.canvas.height[frame.window] < 0.5), OBJECT, colour, 1.2)


def _shrubs(sketch: Sketch, plot: Plot, start: float, count: int) -> None:
    for _ in range(count):
        along, away = sketch.rng.random(2)
        x, y, _ = sketch.stand(plot, 1.5 + along * (plot.width - 3), start + away * (plot.depth - 1 - start))
        draw_shrub(sketch, x, y, sketch.rng.uniform(0.6, 1.5))


def _maybe_park(sketch: Sketch, plot: Plot, place: tuple[float, float], probability: float) -> None:
    if sketch.chance(probability):
        turn = np.pi / 2 if sketch.chance(0.5) else -np.pi / 2
        sketch.parking.append(Spot(*sketch.stand(plot, *place, turn)))
