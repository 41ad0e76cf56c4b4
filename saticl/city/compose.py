"""From the plan to a painted canvas: what each row of plots becomes, and how many trees and cars there are."""

from collections.abc import Callable

import numpy as np

from saticl.city.canvas import IMPERVIOUS, LAWN, LOW_VEGETATION, Array, Canvas
from saticl.city.ground_plan import Bend, Plot, Rect, lay_out, plots, rows
from saticl.city.grounds import draw_field, draw_park, draw_pond, draw_site
from saticl.city.noise import PERIOD, field
from saticl.city.plants import draw_tree
from saticl.city.quarters import draw_apartments, draw_house, draw_town_house, draw_works
from saticl.city.sketch import Sketch, Spot
from saticl.city.streets import draw_streets
from saticl.city.vehicles import draw_car

Draw = Callable[[Sketch, Plot], None]

QUARTERS: tuple[tuple[Draw, float, float], ...] = (
    (draw_house, 0.36, 17.0),
    (draw_town_house, 0.36, 13.5),
    (draw_apartments, 0.11, 44.0),
    (draw_works, 0.07, 38.0),
    (draw_park, 0.06, 0.0),
    (draw_field, 0.04, 0.0),
)
"""What a row of plots becomes: how, its share of the city, and metres of street per plot (0: the row is one plot)."""
TREES, CARS, OPEN_GROUND = 0.155, 0.021, 0.056
"""Shares of trees and cars, and of building sites and ponds, that a scene is filled up to."""


def compose(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a city on an empty canvas."""
    sketch = Sketch(canvas, Bend(canvas.extent, rng), rng, _foliage(rng, canvas.resolution))
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float) * canvas.extent
    canvas.fill(corners, LAWN, (116, 130, 80))
    streets, blocks = lay_out(canvas.extent, rng)
    draw_streets(sketch, streets)
    _draw_blocks(sketch, blocks)
    _draw_cars(sketch)
    _draw_trees(sketch)


def _draw_blocks(sketch: Sketch, blocks: list[Rect]) -> None:
    """Give every visible row to the quarter that is farthest below its share, and some plots to open ground."""
    strips = [row for block in blocks for row in rows(block, sketch.rng)]
    seen = [(row, area) for row in strips if (area := _visible(sketch, row)) > 0]
    shares = np.array([share for _, share, _ in QUARTERS]) * sketch.rng.uniform(0.7, 1.3, len(QUARTERS))
    missing = shares / shares.sum() * sum(area for _, area in seen)
    contents: list[tuple[Draw, Plot]] = []
    for number in sketch.rng.permutation(len(seen)):
        row, area = seen[number]
        choice = int(np.argmax(missing))
        missing[choice] -= area
        draw, _, width = QUARTERS[choice]
        parts = plots(row, width, sketch.rng) if width else [row]
        contents += [(draw, plot) for plot in parts if _visible(sketch, plot) > 0]
    left = OPEN_GROUND * sketch.canvas.extent**2
    for number in sketch.rng.permutation(len(contents)):
        draw, plot = contents[number]
        left = _open_ground(sketch, draw, plot, left)


def _open_ground(sketch: Sketch, draw: Draw, plot: Plot, left: float) -> float:
    """Draw a plot as intended, or as a building site or pond while `left` square metres of those are missing."""
    area = _visible(sketch, plot)
    share = left / max(area, 1.0)
    suits = 0.6 * plot.width * plot.depth < area and plot.width < 60
    if not suits or share < 0.3 or draw is draw_field:
        draw(sketch, plot)
        return left
    start = plot.depth * (1 - min(share, 0.95))
    (draw_site if sketch.chance(0.6) else draw_pond)(sketch, plot, start)
    return left - area * min(share, 0.95)


def _visible(sketch: Sketch, plot: Plot) -> float:
    """Square metres of a plot that lie within the scene, roughly."""
    steps = (np.arange(7) + 0.5) / 7
    spots = np.array([plot.at(along * plot.width, away * plot.depth) for along in steps for away in steps])
    world = sketch.bend(spots)
    inside = ((world > 0) & (world < sketch.canvas.extent)).all(axis=1)
    return float(inside.mean()) * plot.width * plot.depth


def _draw_cars(sketch: Sketch) -> None:
    """Fill parking places in random order until there are enough cars, and the streets if there are not."""
    canvas, wanted = sketch.canvas, CARS * sketch.canvas.label.size
    for number in sketch.rng.permutation(len(sketch.parking)):
        spot = sketch.parking[number]
        if wanted <= 0:
            return
        if _is_free(canvas, spot):
            wanted -= draw_car(sketch, spot)


def _is_free(canvas: Canvas, spot: Spot) -> bool:
    """Whether a car fits: paved ground at its middle, bonnet and boot."""
    reach = np.array([-2.3, -1.2, 0, 1.2, 2.3])
    rows = np.floor((spot.y + reach * np.sin(spot.heading)) / canvas.resolution).astype(int)
    cols = np.floor((spot.x + reach * np.cos(spot.heading)) / canvas.resolution).astype(int)
    inside = (rows >= 0) & (rows < canvas.size) & (cols >= 0) & (cols < canvas.size)
    return bool(inside.any()) and bool((canvas.label[rows[inside], cols[inside]] == IMPERVIOUS).all())


def _draw_trees(sketch: Sketch) -> None:
    """Plant the wanted trees, then groups on lawns, until there are enough."""
    canvas, rng = sketch.canvas, sketch.rng
    wanted = TREES * canvas.label.size * rng.uniform(0.85, 1.15)
    groves = field(rng, 9 / canvas.resolution)
    spots = [sketch.planting[number] for number in rng.permutation(len(sketch.planting))]
    for x, y in spots:
        if wanted > 0 and canvas.at(x, y) in (LOW_VEGETATION, IMPERVIOUS):
            wanted -= draw_tree(sketch, x, y, _radius(rng))
    # Bare ground may run out before there are enough trees, so the search is bounded.
    for x, y in rng.uniform(0, canvas.extent, (int(canvas.extent**2 / 4), 2)):
        if wanted <= 0:
            return
        density = groves[int(y / canvas.resolution) % PERIOD, int(x / canvas.resolution) % PERIOD]
        if canvas.at(x, y) == LOW_VEGETATION and rng.random() < 0.15 + 0.6 * (density > 0.4):
            wanted -= draw_tree(sketch, x, y, _radius(rng))


def _foliage(rng: np.random.Generator, resolution: float) -> Array:
    """Round tufts with dark creases between them, at two scales."""
    coarse, fine = (np.abs(field(rng, max(metres / resolution, 0.3))) for metres in (0.5, 0.25))
    return np.asarray(0.75 * coarse + 0.4 * fine - 0.9, np.float32)


def _radius(rng: np.random.Generator) -> float:
    """Metres: many small crowns, few large ones."""
    return float(np.clip(rng.gamma(6.0, 0.46), 1.1, 5.5))
