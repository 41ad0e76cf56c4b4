"""Blocks: a few rows of tiles of one scene, the unit of work of `prepare`.

How a scene is divided depends on the scene and on the size of the tiles alone, never on who does the work: one
process, many, and the shards of a job array write the same files.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path

from saticl.datasets.base import Scene
from saticl.geo.windows import grid

ROWS_PER_BLOCK = 8
"""Rows of tiles in a block, at most. Blocks read the rows that they share with the block above once more."""

SEQUENTIAL = frozenset({".png", ".jpg", ".jpeg"})
"""Files that can only be read from their beginning: each further block would decode all that lies above it."""


@dataclass(frozen=True)
class Block:
    """Rows of tiles of one scene, numbered from the top."""

    scene: Scene
    number: int
    rows: range
    """Which rows of tiles, counted over the scene."""
    tiles: int
    """How many tiles these are."""


def blocks_of(scene: Scene, height: int, width: int, tile_size: int, overlap: int) -> list[Block]:
    """The blocks of a scene from top to bottom, of nearly equal size; one where a file is read from its beginning."""
    windows = grid(height, width, tile_size, overlap)
    num_rows = len({window.row for window in windows})
    per_row = len(windows) // num_rows
    number = 1 if is_sequential(scene) else ceil(num_rows / ROWS_PER_BLOCK)
    cuts = [num_rows * block // number for block in range(number + 1)]
    rows = [range(first, last) for first, last in pairwise(cuts)]
    return [Block(scene, index, part, len(part) * per_row) for index, part in enumerate(rows)]


def is_sequential(scene: Scene) -> bool:
    """Whether one of its files can only be read from its beginning."""
    names = (scene.image, *scene.more, *(mask.path for mask in scene.masks), scene.dsm)
    return any(Path(name).suffix.lower() in SEQUENTIAL for name in names if name is not None)
