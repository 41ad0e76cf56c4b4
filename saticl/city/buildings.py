"""Buildings: wings with gabled, hipped or flat roofs, and what stands on them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from saticl.city.canvas import ROOF, Array, Colour, Frame
from saticl.city.light import SUN
from saticl.city.sketch import Sketch

TILES: list[Colour] = [
    (142, 98, 84), (134, 90, 78), (152, 110, 94), (124, 84, 74), (118, 92, 82),
    (98, 92, 91), (90, 90, 94), (158, 118, 102),
]  # fmt: skip
FLATS: list[Colour] = [
    (150, 147, 141),
    (128, 127, 125),
    (166, 162, 154),
    (112, 110, 108),
    (142, 132, 120),
    (184, 182, 176),
]
RoofKind = Literal["gable", "hip", "flat"]


@dataclass(frozen=True)
class Wing:
    """A rectangle of a building, in the building's axes: centre and half lengths, in metres."""

    along: float
    across: float
    half_along: float
    half_across: float


@dataclass(frozen=True)
class Building:
    """A building at a place of the world."""

    x: float
    y: float
    angle: float
    wings: tuple[Wing, ...]
    roof: RoofKind
    eaves: float
    """Metres above ground where the roof begins."""
    slope: float = 0.75

    @property
    def reach(self) -> float:
        """Metres from the middle to the farthest corner."""
        corners = [np.hypot(abs(w.along) + w.half_along, abs(w.across) + w.half_across) for w in self.wings]
        return float(max(corners)) + 1.0


@dataclass
class _Surface:
    inside: Array
    """Metres from the nearest outer edge of the wings, negative outside."""
    height: Array
    facing: Array
    """Slope towards the sun."""
    ridge: Array
    """Metres from the nearest ridge."""


def draw_building(sketch: Sketch, building: Building) -> int:
    """Draw a building with its roof; returns how many pixels it covers."""
    canvas = sketch.canvas
    frame = canvas.frame(building.x, building.y, building.angle, building.reach)
    shape = _shape(frame, building)
    mask = shape.inside > 0
    if not mask.any():
        return 0
    flat = building.roof == "flat"
    colour = sketch.pick(FLATS if flat else TILES, 5)
    shade = _shade(sketch, frame, shape, flat)
    covered = canvas.paint(frame, mask, ROOF, shade[..., None] * colour, shape.height)
    (_furnish_flat if flat else _furnish_pitched)(sketch, building, frame, shape, colour)
    return covered


def _shape(frame: Frame, building: Building) -> _Surface:
    """Roof of all wings: where two meet, the higher one is seen."""
    zeros = np.zeros(frame.along.shape, np.float32)
    shape = _Surface(zeros - 9, zeros - 9, zeros.copy(), zeros + 9)
    cosine, sine = np.cos(building.angle), np.sin(building.angle)
    sun = np.array([cosine * SUN[0] + sine * SUN[1], cosine * SUN[1] - sine * SUN[0]], np.float32)
    for wing in building.wings:
        along, across = frame.along - wing.along, frame.across - wing.across
        to_end, to_side = wing.half_along - np.abs(along), wing.half_across - np.abs(across)
        inside = np.minimum(to_end, to_side)
        rise, facing, ridge = _roof(building, wing, (along, across), (to_end, to_side), sun)
        height = np.where(inside > 0, building.eaves + rise, -9)
        higher = height > shape.height
        shape.height = np.where(higher, height, shape.height)
        shape.facing = np.where(higher, facing, shape.facing)
        shape.ridge = np.where(higher, ridge, shape.ridge)
        shape.inside = np.maximum(shape.inside, inside)
    return shape


def _roof(
    building: Building, wing: Wing, place: tuple[Array, Array], margin: tuple[Array, Array], sun: Array
) -> tuple[Array, Array, Array]:
    """Rise above the eaves, slope towards the sun, and metres from the ridge, at every pixel of one wing."""
    along, across = place
    to_end, to_side = margin
    if building.roof == "flat":
        none = np.zeros_like(along + across)
        return none, none, none + 9
    if wing.half_along < wing.half_across:
        along, across, to_end, to_side, sun = across, along, to_side, to_end, sun[::-1]
    slope = np.float32(building.slope)
    side = slope * np.sign(across) * sun[1]
    if building.roof == "gable":
        return slope * to_side, side + 0 * along, np.abs(across) + 0 * along
    on_end = to_end < to_side
    facing = np.where(on_end, slope * np.sign(along) * sun[0], side)
    return slope * np.minimum(to_side, to_end), facing, np.where(on_end, 9, np.abs(across)) + 0 * along


def _shade(sketch: Sketch, frame: Frame, shape: _Surface, flat: bool) -> Array:
    """Brightness of the roof: its faces in the sun, rows of tiles or seams, weathering, ridge and edge."""
    rng = sketch.rng
    normal = np.sqrt(1 + 0.55 * (np.abs(shape.facing) > 0))
    light = np.clip((1 + 0.95 * shape.facing) / normal, 0.42, 1.3) if not flat else 1 + 0 * shape.facing
    light = light * (1.12 if not flat else 1.0)
    period, strength = (rng.uniform(2.5, 4.5), 0.03) if flat else (0.8, 0.035)
    rows = np.sin((frame.across if rng.random() < 0.5 else frame.along) * (2 * np.pi / period) + rng.uniform(0, 6))
    light = light * (1 + strength * (rows + 0 * light if not flat else (rows > 0.97) * -2.5))
    slow = np.sin(frame.along * rng.uniform(0.2, 0.6) + rng.uniform(0, 6)) * np.sin(
        frame.across * rng.uniform(0.2, 0.6)
    )
    light = light * (1 + rng.uniform(0.01, 0.05) * slow)
    light = np.where(shape.ridge < 0.22, light * 1.1, light)
    edge = shape.inside < 0.45
    return np.asarray(np.where(edge, light * (1.14 if flat else 0.9), light))


def _furnish_pitched(sketch: Sketch, building: Building, frame: Frame, shape: _Surface, colour: Array) -> None:
    """Chimneys, roof windows, dormers, and solar panels on faces that see the sun."""
    rng = sketch.rng
    for wing in building.wings:
        if sketch.chance(0.75):
            place = _within(sketch, wing, 0.35)
            _box(sketch, frame, shape, (*place, 0.45, 0.4), (sketch.pick([(120, 96, 88), (92, 90, 90)]), 1.0))
        if sketch.chance(0.3) and wing.half_along > 4 and wing.half_across > 3:
            _solar(sketch, frame, shape, wing)
            continue
        count = int(rng.integers(0, 4))
        for position in np.linspace(-0.65, 0.65, count + 2)[1:-1]:
            side = rng.choice([-0.5, 0.5])
            place = (wing.along + position * wing.half_along, wing.across + side * wing.half_across)
            if sketch.chance(0.5):
                _box(sketch, frame, shape, (*place, 0.45, 0.65), ((70, 78, 88), 0.0))
            else:
                _box(sketch, frame, shape, (*place, 1.0, 1.1), (colour * rng.uniform(0.85, 1.05), 0.9))


def _solar(sketch: Sketch, frame: Frame, shape: _Surface, wing: Wing) -> None:
    half_along, half_across = wing.half_along * 0.62, wing.half_across * 0.3
    inside = (np.abs(frame.along - wing.along) < half_along) & (
        np.abs(np.abs(frame.across - wing.across) - 0.5 * wing.half_across) < half_across
    )
    inside &= (shape.facing > 0) & (shape.inside > 0)
    seam = (np.mod(frame.along, 1.65) < 0.2) | (np.mod(frame.across, 1.0) < 0.15)
    shade = np.where(seam, 1.7, 1.0)[..., None] * np.array([44, 52, 70])
    sketch.canvas.paint(frame, inside, ROOF, shade)


def _furnish_flat(sketch: Sketch, building: Building, frame: Frame, shape: _Surface, colour: Array) -> None:
    """A parapet, ventilation units, skylights, a stair tower, gravel or a planted bed."""
    parapet = (shape.inside > 0) & (shape.inside < 0.4)
    heights = sketch.canvas.height[frame.window]
    heights[parapet] += np.float32(0.5)
    for wing in building.wings:
        area = 4 * wing.half_along * wing.half_across
        if area > 60 and sketch.chance(0.4):
            place = _within(sketch, wing, 0.3)
            _box(sketch, frame, shape, (*place, 1.6, 1.3), (sketch.tint(colour * 1.08), 2.4))
        for _ in range(min(int(area / 45), 14)):
            unit = sketch.rng.uniform(0.4, 1.1, 2)
            tone = sketch.pick([(188, 188, 186), (150, 150, 150), (96, 98, 102), (172, 182, 190)])
            _box(sketch, frame, shape, (*_within(sketch, wing, 0.75), unit[0], unit[1]), (tone, 0.9))
        if area > 200 and sketch.chance(0.7):
            for position in np.arange(-wing.half_along + 3, wing.half_along - 3, 4.5):
                place = (wing.along + position, wing.across + 0.35 * wing.half_across)
                _box(sketch, frame, shape, (*place, 0.8, 0.35 * wing.half_across), ((176, 190, 198), 0.4))


def _within(sketch: Sketch, wing: Wing, reach: float) -> tuple[float, float]:
    """A random position on a wing."""
    first, second = sketch.rng.uniform(-reach, reach, 2)
    return float(wing.along + first * wing.half_along), float(wing.across + second * wing.half_across)


def _box(
    sketch: Sketch,
    frame: Frame,
    shape: _Surface,
    box: tuple[float, float, float, float],
    look: tuple[Array | Colour, float],
) -> None:
    """A box on the roof: (along, across, half along, half across), (colour, metres above the roof)."""
    along, across, half_along, half_across = box
    colour, rise = look
    inside = (np.abs(frame.along - along) < half_along) & (np.abs(frame.across - across) < half_across)
    inside &= shape.inside > 0.3
    sketch.canvas.paint(frame, inside, ROOF, colour, shape.height + rise)
