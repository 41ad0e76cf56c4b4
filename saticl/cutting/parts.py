"""Parts: what was found out about a block while it was cut. A part is written last, so its presence says: done."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from saticl.cutting.recipe import Asked, Recipe
from saticl.datasets.stamps import Stamps
from saticl.files import write_atomically
from saticl.geo.statistics import BandSums
from saticl.labels import Split
from saticl.tiles.index import Tile


class PartRecord(BaseModel):
    """Base of what is kept in parts: frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SceneFacts(PartRecord):
    """The scene that a block belongs to: the same in all its parts."""

    id: str
    group: str
    split: Split
    height: int
    width: int
    bands: tuple[str, ...]
    """All bands, that of the heights last."""
    dtype: str
    """Type of the image files."""
    crs: str | None
    transform: tuple[float, float, float, float, float, float]
    notes: tuple[str, ...]


class Counted(PartRecord):
    """Sums over the pixels that this block counts: over all blocks of a scene, every pixel once."""

    counts: tuple[int, ...]
    """Pixels per dataset label."""
    unlabelled: int = 0
    """Pixels where nobody has drawn a class."""
    inexact: int
    residual: int
    valid: int
    """Pixels behind the sums: those with data."""
    sums: tuple[int | float, ...]
    """Sum of the values per band, exact for integers."""
    squares: tuple[int | float, ...]
    highest: tuple[int | float, ...]
    """Largest value per band; 0 without pixels."""

    @property
    def band_sums(self) -> BandSums:
        """The sums over the bands, which can be added up."""
        return BandSums(self.valid, self.sums, self.squares, self.highest)


class Part(PartRecord):
    """One finished block."""

    format: Literal[3] = 3
    options: Asked
    block: int
    scene: SceneFacts
    counted: Counted
    skipped: int = 0
    """Tiles that were left out because too few of their pixels hold data."""
    tiles: tuple[Tile, ...]
    sources: Stamps | None = None
    """The scene's files on this machine as they were before they were read; None in parts of earlier versions."""

    def is_outdated(self, now: Stamps) -> bool:
        """Whether files of the scene have changed since; those that are gone cannot say it."""
        return self.sources is not None and any(self.sources.get(name) != stamp for name, stamp in now.items())


def write_part(recipe: Recipe, part: Part) -> None:
    """Declare a block finished."""
    write_atomically(recipe.part(part.scene.id, part.block), part.model_dump_json() + "\n")


def write_bundle(recipe: Recipe, parts: Iterable[Part]) -> None:
    """Declare whole images of one bundle finished, and no others of it; one line for each."""
    ordered = sorted(parts, key=lambda part: part.scene.id)
    text = "".join(f"{part.model_dump_json()}\n" for part in ordered)
    write_atomically(recipe.part(ordered[0].scene.id, 0), text)


def read_bundle(recipe: Recipe, scene: str) -> dict[str, Part]:
    """The finished images of the bundle that a scene belongs to, by scene; see `read_part` for what is left out."""
    try:
        lines = recipe.part(scene, 0).read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    parts = (part for line in lines if (part := _parsed(line, recipe)) is not None)
    return {part.scene.id: part for part in parts}


def read_part(recipe: Recipe, scene: str, block: int) -> Part | None:
    """The part of a finished block.

    None where the block is not finished, and where its part is damaged, has another form, or was cut with other
    options: such a block is cut anew.
    """
    try:
        return _parsed(recipe.part(scene, block).read_bytes(), recipe)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _parsed(content: bytes, recipe: Recipe) -> Part | None:
    try:
        part = Part.model_validate_json(content)
    except ValidationError:
        return None
    return part if part.options == recipe.options else None
