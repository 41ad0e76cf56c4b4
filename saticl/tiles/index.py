"""`tiles.jsonl`: one row per tile, with what selection needs, so that no image is opened to choose tiles."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saticl.errors import MissingTiles
from saticl.files import Fingerprint, write_atomically
from saticl.geo.windows import Window
from saticl.labels import Split

INDEX = "tiles.jsonl"
"""Name of the index in a prepared folder."""


@dataclass(frozen=True)
class Tile:
    """One prepared square, or a whole image: where it was cut, its files, and what is on it.

    Files are named relative to the folder, or to one of the manifest's roots of originals, as `root:path`.
    """

    id: str
    scene: str
    group: str
    split: Split
    window: Window
    """Where the tile lies in its scene."""
    core: Window
    """The part that this tile owns in scoring, relative to the tile."""
    image: str
    mask: str | None
    """None: nothing is known of the tile, and all of it is ignored."""
    dsm: str | None
    counts: tuple[int, ...]
    """Pixels per dataset label."""
    ignored: int
    """Pixels with label 255."""
    unlabelled: int = 0
    """Pixels with label 254: nobody has drawn a class there."""
    invalid: int = 0
    """Pixels without data; where there are some, the image says in a mask of its own which they are."""
    files: tuple[Fingerprint, ...] = ()
    """Size and checksum of its files in the folder (`own`); empty where they were not recorded."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its files: image, mask and heights."""
        return tuple(name for name in (self.image, self.mask, self.dsm) if name is not None)

    @property
    def own(self) -> tuple[str, ...]:
        """Those that lie in the prepared folder: not the originals elsewhere."""
        return tuple(name for name in self.names if ":" not in name)


def tile_to_dict(tile: Tile) -> dict[str, Any]:
    """The tile as plain JSON values; windows become [row, col, height, width]."""
    windows = {"window": _values(tile.window), "core": _values(tile.core)}
    # not `asdict`, which copies every number on its own: half a minute for 20,000 images in 150 classes
    return vars(tile) | windows | {"counts": list(tile.counts), "files": [list(file) for file in tile.files]}


def tile_from_dict(row: dict[str, Any]) -> Tile:
    """The inverse of `tile_to_dict`; raises KeyError or TypeError for any other row."""
    changed = {"window": Window(*row["window"]), "core": Window(*row["core"]), "counts": tuple(row["counts"])}
    files = tuple(Fingerprint(*file) for file in row.get("files", ()))
    return Tile(**(row | changed | {"files": files}))


def write_index(root: Path, tiles: Iterable[Tile]) -> None:
    """Write the index of a prepared folder."""
    rows = (json.dumps(tile_to_dict(tile), separators=(",", ":")) for tile in tiles)
    write_atomically(root / INDEX, "".join(f"{row}\n" for row in rows))


def read_index(root: Path) -> list[Tile]:
    """The tiles of a prepared folder, as they were cut; raises MissingTiles where the index is not usable."""
    path = root / INDEX
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [tile_from_dict(json.loads(line)) for line in lines]
    except FileNotFoundError as error:
        raise MissingTiles(f"{root} has no {INDEX}: run `prepare --src <raw imagery> --dst {root}` first.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise MissingTiles(
            f"{path} is damaged ({error}): delete it and dataset.json, then run `prepare` again, which "
            "writes both again without cutting the tiles again."
        ) from error


def _values(window: Window) -> list[int]:
    return [window.row, window.col, window.height, window.width]
