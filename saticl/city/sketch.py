"""The scene in the making: the canvas, its bend and randomness, and the places kept for cars and trees."""

from dataclasses import dataclass, field

import numpy as np

from saticl.city.canvas import Array, Canvas, Colour, Surface
from saticl.city.ground_plan import Bend, Plot


@dataclass(frozen=True)
class Spot:
    """A place in the world where a car may stand."""

    x: float
    y: float
    heading: float


@dataclass
class Sketch:
    """Everything the parts of a city are drawn with."""

    canvas: Canvas
    bend: Bend
    rng: np.random.Generator
    foliage: Array
    """Periodic field of tufts, about -1 to 1."""
    parking: list[Spot] = field(default_factory=list)
    planting: list[tuple[float, float]] = field(default_factory=list)
    """Places where a tree is wanted, in world coordinates."""

    def area(self, plot: Plot, box: tuple[float, float, float, float], surface: Surface, colour: Colour) -> None:
        """Cover a part of a plot: (along, away, along end, away end) in metres."""
        self.canvas.fill(self.bend(plot.quad(*box)), surface, colour)

    def stripe(
        self, plot: Plot, start: tuple[float, float], end: tuple[float, float], line: tuple[Surface, Colour, float]
    ) -> None:
        """Draw a line between two positions of a plot: (surface, colour, width in metres)."""
        steps = np.linspace(0, 1, 9)[:, None]
        points = plot.at(*start) + (plot.at(*end) - plot.at(*start)) * steps
        self.canvas.line(self.bend(points), *line)

    def stand(self, plot: Plot, along: float, away: float, turn: float = 0.0) -> tuple[float, float, float]:
        """World position and angle of something at a position of a plot."""
        point = plot.at(along, away)
        x, y = self.bend(point)
        return float(x), float(y), self.bend.heading(point, plot.at(along + 1, away) - point) + turn

    def tint(self, colour: Colour, spread: float = 6.0) -> Array:
        """A colour like the given one: somewhat brighter or darker, and slightly off its hue."""
        return np.asarray(colour, float) * (1 + self.rng.normal(0, spread / 100)) + self.rng.normal(0, spread / 4, 3)

    def pick(self, colours: list[Colour], spread: float = 6.0) -> Array:
        """One of some colours, varied."""
        return self.tint(colours[self.rng.integers(len(colours))], spread)

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return bool(self.rng.random() < probability)
