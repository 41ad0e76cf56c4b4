"""The plan of a city: streets and blocks on straight axes, and the bend that lays them on the ground.

Plan coordinates are metres along two axes, centred on the scene; the bend turns and curves them into the world's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from saticl.city.canvas import Array

LONGEST_BLOCK = 88.0
"""Metres: longer blocks are cut by another street."""


@dataclass(frozen=True)
class Rect:
    """An upright rectangle of the plan, in metres."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Metres along the first axis."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Metres along the second axis."""
        return self.bottom - self.top


@dataclass(frozen=True)
class Street:
    """A straight street of the plan, pavements included in its width."""

    start: tuple[float, float]
    end: tuple[float, float]
    width: float

    @property
    def is_main(self) -> bool:
        """Whether it has a marked centre line and street trees."""
        return self.width > 12

    @property
    def pavement(self) -> float:
        """Metres of pavement on each side."""
        return 2.3 if self.is_main else 1.4


@dataclass(frozen=True)
class Plot:
    """A rectangle of the plan with a front: positions are metres along the front and away from the street."""

    rect: Rect
    turns: int
    """Quarter turns from the plan's axes to (along the front, away from the street)."""

    @property
    def width(self) -> float:
        """Metres along the front."""
        return self.rect.height if self.turns % 2 else self.rect.width

    @property
    def depth(self) -> float:
        """Metres from the street to the back."""
        return self.rect.width if self.turns % 2 else self.rect.height

    def at(self, along: float, away: float) -> Array:
        """A position as plan coordinates [2]."""
        corner, first, second = self._axes()
        return corner + along * first + away * second

    def quad(self, along: float, away: float, along_end: float, away_end: float) -> Array:
        """Outline [N, 2] of a part of the plot, in plan coordinates."""
        ends = [(along, away), (along_end, away), (along_end, away_end), (along, away_end)]
        return outline([self.at(*end) for end in ends])

    def _axes(self) -> tuple[Array, Array, Array]:
        rect = self.rect
        corners = [(rect.left, rect.top), (rect.right, rect.top), (rect.right, rect.bottom), (rect.left, rect.bottom)]
        along = [(1, 0), (0, 1), (-1, 0), (0, -1)][self.turns]
        away = [(0, 1), (-1, 0), (0, -1), (1, 0)][self.turns]
        return np.array(corners[self.turns], float), np.array(along, float), np.array(away, float)


class Bend:
    """Plan to world coordinates: a turn and three gentle waves, which make straight streets curve."""

    def __init__(self, extent: float, rng: np.random.Generator) -> None:
        self.centre = extent / 2
        self.turn = rng.uniform(0, np.pi / 2)
        bearing = rng.uniform(0, 2 * np.pi, 3)
        number = 2 * np.pi / rng.uniform(130, 260, 3)
        self.waves = np.stack([np.cos(bearing), np.sin(bearing)]) * number
        self.swing = np.stack([-np.sin(bearing), np.cos(bearing)]) * rng.uniform(1.5, 4.0, 3)
        self.phase = rng.uniform(0, 2 * np.pi, 3)

    def __call__(self, points: Array) -> Array:
        """World coordinates [..., 2] of points of the plan."""
        bent = points + np.sin(points @ self.waves + self.phase) @ self.swing.T
        cosine, sine = np.cos(self.turn), np.sin(self.turn)
        return np.asarray(bent @ np.array([[cosine, sine], [-sine, cosine]]) + self.centre)

    def heading(self, point: Array, direction: Array) -> float:
        """Angle in the world of a direction of the plan, at a point."""
        near, far = self(np.stack([point - 0.5 * direction, point + 0.5 * direction]))
        return float(np.arctan2(far[1] - near[1], far[0] - near[0]))


def outline(corners: list[Array], step: float = 3.0) -> Array:
    """Outline [N, 2] of a polygon with points every few metres, so that it can bend."""
    parts = []
    for first, second in zip(corners, corners[1:] + corners[:1], strict=True):
        count = max(1, int(np.hypot(*(second - first)) / step))
        parts.append(first + (second - first) * (np.arange(count) / count)[:, None])
    return np.concatenate(parts)


def lay_out(extent: float, rng: np.random.Generator) -> tuple[list[Street], list[Rect]]:
    """Streets, widest first, and the blocks between them; together they cover the scene however it is turned."""
    reach = 0.72 * extent + 16
    streets: list[Street] = []
    blocks = list(_split(Rect(-reach, -reach, reach, reach), streets, rng))
    return sorted(streets, key=lambda street: -street.width), blocks


def rows(block: Rect, rng: np.random.Generator) -> tuple[Plot, Plot]:
    """The two halves of a block, back to back, each as one plot that fronts a long street."""
    if block.height > block.width:
        middle = block.left + block.width * rng.uniform(0.46, 0.54)
        left, right = replace(block, right=middle), replace(block, left=middle)
        return Plot(left, 3), Plot(right, 1)
    middle = block.top + block.height * rng.uniform(0.46, 0.54)
    return Plot(replace(block, bottom=middle), 0), Plot(replace(block, top=middle), 2)


def plots(row: Plot, width: float, rng: np.random.Generator) -> list[Plot]:
    """Cut a row into plots of about that width."""
    weights = rng.uniform(0.8, 1.2, max(1, round(row.width / width)))
    ends = np.concatenate([[0], np.cumsum(weights / weights.sum())]) * row.width
    corners = [np.stack([row.at(near, 0), row.at(far, row.depth)]) for near, far in pairwise(ends)]
    return [Plot(Rect(*c.min(axis=0).tolist(), *c.max(axis=0).tolist()), row.turns) for c in corners]


def _split(rect: Rect, streets: list[Street], rng: np.random.Generator) -> Iterator[Rect]:
    length = max(rect.width, rect.height)
    if length < LONGEST_BLOCK:
        yield rect
        return
    width = 16.0 if length > 420 else 13.0 if length > 170 else 8.4
    cut = length * rng.uniform(0.42, 0.58)
    near, far = cut - width / 2, cut + width / 2
    if rect.width >= rect.height:
        middle = rect.left + cut
        streets.append(Street((middle, rect.top), (middle, rect.bottom), width))
        parts = (
            Rect(rect.left, rect.top, rect.left + near, rect.bottom),
            Rect(rect.left + far, rect.top, rect.right, rect.bottom),
        )
    else:
        middle = rect.top + cut
        streets.append(Street((rect.left, middle), (rect.right, middle), width))
        parts = (
            Rect(rect.left, rect.top, rect.right, rect.top + near),
            Rect(rect.left, rect.top + far, rect.right, rect.bottom),
        )
    for part in parts:
        yield from _split(part, streets, rng)
