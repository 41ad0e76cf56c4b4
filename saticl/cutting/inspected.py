"""What was found out about scenes that were only read: facts of their files, and sums that can be added up."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from saticl.datasets.base import Scene
from saticl.geo.place import Place
from saticl.geo.statistics import BandSums


@dataclass(frozen=True)
class Look:
    """A scene as its files describe themselves, no pixel read."""

    scene: Scene
    places: dict[str, Place]
    """The grid of each raster that can be opened, by its file: image, masks, surface model."""
    cut: Place | None
    """The grid that would be cut; None where the scene cannot be opened."""
    problems: tuple[str, ...]
    """Why it cannot be opened."""
    notes: tuple[str, ...]
    """Defects that would be repaired."""

    @property
    def own(self) -> Place | None:
        """The grid of the image; None where its file cannot be opened."""
        return self.places.get(self.scene.image)


@dataclass(frozen=True)
class Section:
    """Some rows of a scene."""

    scene: Scene
    rows: range
    width: int

    @property
    def pixels(self) -> int:
        """How many there are."""
        return len(self.rows) * self.width


@dataclass(frozen=True)
class Seen:
    """What is counted in a section, or in several."""

    counts: tuple[int, ...]
    """Pixels per dataset label."""
    pixels: int = 0
    unlabelled: int = 0
    empty: int = 0
    """Pixels without data; they are ignored."""
    inexact: int = 0
    residual: int = 0
    """Pixels of no class."""
    sums: BandSums | None = None
    dtype: str = ""
    problem: str = ""
    """Why the rest of the first section that failed could not be read."""

    def __add__(self, other: Self) -> Self:
        sums = self.sums if other.sums is None else other.sums if self.sums is None else self.sums + other.sums
        return type(self)(
            tuple(one + two for one, two in zip(self.counts, other.counts, strict=True)),
            self.pixels + other.pixels,
            self.unlabelled + other.unlabelled,
            self.empty + other.empty,
            self.inexact + other.inexact,
            self.residual + other.residual,
            sums,
            self.dtype or other.dtype,
            self.problem or other.problem,
        )


@dataclass(frozen=True)
class Scan:
    """What a mask holds besides classes; read where a scene is not as it should be."""

    unknown: Counter[str] = field(default_factory=Counter)
    """Pixels per value of no class, the most frequent ones."""
    problem: str = ""
    """Why the mask cannot be read by itself."""


@dataclass(frozen=True)
class Inspected:
    """All that was found out about a scene."""

    look: Look
    seen: Seen
    scan: Scan
    tiles: int
    """How many would be cut, those with too little data included; 0 where it cannot be opened."""

    @property
    def scene(self) -> Scene:
        """The scene itself."""
        return self.look.scene

    @property
    def problems(self) -> tuple[str, ...]:
        """Why `prepare` would refuse it, values of no class left out."""
        found = [*self.look.problems, self.seen.problem, self.scan.problem]
        return tuple(problem for problem in dict.fromkeys(found) if problem)

    @property
    def residual(self) -> int:
        """Pixels of no class, also those of a mask that could be read by itself only."""
        return max(self.seen.residual, self.scan.unknown.total())
