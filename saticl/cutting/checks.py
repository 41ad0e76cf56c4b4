"""Whether tiles are still what was written: lost and damaged ones are found by size and checksum."""

import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from saticl.files import Fingerprint
from saticl.tiles.index import Tile

THREADS = 8
"""Files read at the same time: most of the time goes into waiting for the disk."""

CHUNK_BYTES = 2**20


def lost_files(root: Path, tiles: Iterable[Tile]) -> list[str]:
    """Files that are missing or of another size than was written: a look at the folder, no file is opened."""
    return [name for tile in tiles for name, wanted in _recorded(tile) if _size(root / name) != wanted.size]


def damaged_files(root: Path, tiles: Iterable[Tile]) -> list[str]:
    """Files that are missing or do not hold what was written; all of them are read."""
    recorded = [pair for tile in tiles for pair in _recorded(tile)]
    with ThreadPoolExecutor(THREADS) as threads:
        intact = list(threads.map(partial(_is_intact, root), recorded, chunksize=1))
    return [name for (name, _), is_intact in zip(recorded, intact, strict=True) if not is_intact]


def _recorded(tile: Tile) -> list[tuple[str, Fingerprint]]:
    return list(zip(tile.own, tile.files, strict=True)) if tile.files else []


def _is_intact(root: Path, recorded: tuple[str, Fingerprint]) -> bool:
    name, wanted = recorded
    if _size(root / name) != wanted.size:
        return False
    crc = 0
    try:
        with (root / name).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                crc = zlib.crc32(chunk, crc)
    except OSError:
        return False  # a disk that cannot read it any more
    return crc == wanted.crc32


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
