"""What is done with every scene, and where its tiles and parts lie."""

from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from saticl.labels import Colour

TILES, PARTS = "tiles", "parts"
"""Folders of the tiles, and of the records of finished blocks."""

ORIGINALS = "raw"
"""Root of the images that stay where they are, as index and manifest name it."""

BUNDLES = 256
"""Files of records of whole images: each has those of many images, and which ones depends on their names alone."""

Asked = dict[str, str | int | float | bool | None]
"""All that changes the tiles, by name."""


@dataclass(frozen=True)
class Recipe:
    """What is done with every scene."""

    root: Path
    """The folder that is being prepared."""
    tile_size: int | None
    """None: images are used whole."""
    overlap: int
    colours: tuple[Colour, ...]
    options: Asked
    """What was asked for: kept in each part, so that parts of different options never mix."""
    min_valid: float = 0.0
    """Tiles of which a smaller share of pixels holds data are left out."""
    originals: Path | None = None
    """Where the images lie, if they are used whole and stay there."""

    def side(self, height: int, width: int) -> int:
        """Side of the tiles of a scene of this extent."""
        return max(height, width) if self.tile_size is None else self.tile_size

    def part(self, scene: str, block: int) -> Path:
        """The file that says that a block is cut: by its presence, or where images are whole by a line in it."""
        if self.tile_size is None:
            return self.root / PARTS / f"{bundle_of(scene):03d}.jsonl"
        return self.root / PARTS / scene / f"{block:04d}.json"


def bundle_of(scene: str) -> int:
    """The bundle that an image belongs to, whatever other images there are."""
    return crc32(scene.encode()) % BUNDLES
