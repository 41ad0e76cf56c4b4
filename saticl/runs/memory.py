"""Tiles of earlier steps that a method may replay: `memory.json` in the folder of a step.

Each tile is kept with the step it was kept at, because that is what its labels show: in a later step it is relabelled
with the table of that earlier step, so that its old classes are classes and everything else is background.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from saticl.errors import InvalidCheckpoint
from saticl.runs.records import Record, read_record, write_record
from saticl.tasks import Table, Task
from saticl.tiles.index import Tile

MEMORY = "memory.json"
"""Name of the file."""


class Kept(Record):
    """A tile of a memory."""

    tile: str
    """Its id in the index."""
    step: int
    """The step whose labels it shows."""


class Memory(Record):
    """All tiles that the steps so far have kept."""

    format: Literal[1] = 1
    tiles: tuple[Kept, ...] = ()


def write_memory(folder: Path, kept: Iterable[Kept]) -> None:
    """Write the memory that a step leaves; nothing where it is empty."""
    memory = Memory(tiles=tuple(kept))
    if memory.tiles:
        write_record(folder / MEMORY, memory)


def read_memory(folder: Path) -> tuple[Kept, ...]:
    """The memory that a step has left; empty where it left none.

    Raises:
        InvalidRecord: the file is damaged.
    """
    path = folder / MEMORY
    return read_record(path, Memory, "train that step again").tiles if path.is_file() else ()


def replayed(kept: Iterable[Kept], tiles: Sequence[Tile], task: Task) -> tuple[list[Tile], list[Table]]:
    """The tiles of a memory, and for each the table of the step it was kept at.

    Raises:
        InvalidCheckpoint: a tile is not in this index, or was kept at a step that is not over yet.
    """
    by_id = {tile.id: tile for tile in tiles}
    found: list[Tile] = []
    tables: list[Table] = []
    for entry in kept:
        if entry.tile not in by_id or entry.step >= task.step:
            raise InvalidCheckpoint(
                f"The memory of the previous step names the tile {entry.tile!r} of step {entry.step}, which these "
                "data do not have for an earlier step: train on the prepared folder that the earlier steps used."
            )
        found.append(by_id[entry.tile])
        tables.append(task.at(entry.step).train_table())
    return found, tables
