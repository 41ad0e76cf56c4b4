"""What is done with every scene, and where its tiles and parts lie."""

from dataclasses import dataclass
from pathlib import Path

from saticl.labels import Colour

TILES, PARTS = "tiles", "parts"
"""Folders of the tiles, and of the records of finished blocks."""

Asked = dict[str, str | int | float | bool | None]
"""All that changes the tiles, by name."""


@dataclass(frozen=True)
class Recipe:
    """What is done with every scene."""

    root: Path
    """The folder that is being prepared."""
    tile_size: int
    overlap: int
    colours: tuple[Colour, ...]
    options: Asked
    """What was asked for: kept in each part, so that parts of different options never mix."""
    min_valid: float = 0.0
    """Tiles of which a smaller share of pixels holds data are left out."""

    def part(self, scene: str, block: int) -> Path:
        """The file whose presence says that a block is cut."""
        return self.root / PARTS / scene / f"{block:04d}.json"
