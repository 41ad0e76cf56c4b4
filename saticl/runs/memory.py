"""Tiles of earlier steps that a method may replay: `memory.json` in the folder of a step.

Each tile is kept with the step it was kept at, because that is what its labels show: in a later step it is relabelled
with the table of that earlier step, so that its old classes are classes and everything else is background.
"""

import random
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar

from saticl.errors import InvalidCheckpoint
from saticl.runs.records import Record, read_record, write_record
from saticl.tasks import Table, Task
from saticl.tiles.index import Tile

Item = TypeVar("Item")

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


def balanced(known: Iterable[Kept], tiles: Sequence[Tile], task: Task, size: int) -> tuple[Kept, ...]:
    """A memory of at most `size` tiles, shared alike among all classes seen so far.

    The classes take turns, in learning order: an old one takes the next tile kept at its step, a new one the next
    tile of this step that shows it; whose tiles have run out is passed over. The tiles of a step stand in an order in
    which its classes take turns, too, so a memory that shrinks keeps its balance.

    Args:
        known: kept so far, in that order.
        tiles: of this step, of which each class takes its own in a random order, always the same.
        task: the step.
        size: tiles to keep.
    """
    kept = list(known)
    queues = [iter([entry for entry in kept if entry.step == step]) for step in range(task.step)]
    queues.append(iter([Kept(tile=tile.id, step=task.step) for tile in _mixed(tiles, task)]))
    turns = [queues[step] for step in range(task.step + 1) for _ in task.protocol.groups[step]]
    return tuple(sorted(islice(_in_turn(turns), size), key=lambda entry: entry.step))


def _mixed(tiles: Sequence[Tile], task: Task) -> Iterator[Tile]:
    """Tiles that show a new class, each once: one of the first class, one of the second, and so on."""
    mixed = list(tiles)
    random.Random(task.step).shuffle(mixed)
    labels = [task.classes.index(name) for name in task.new if name in task.classes]
    given: set[str] = set()
    for tile in _in_turn([_showing(label, mixed, given) for label in labels]):
        given.add(tile.id)
        yield tile


def _showing(label: int, tiles: Sequence[Tile], given: Set[str]) -> Iterator[Tile]:
    """Those of the tiles that show a label and, when it is their turn, were not given yet."""
    return (tile for tile in tiles if tile.counts[label] and tile.id not in given)


def _in_turn(queues: Sequence[Iterator[Item]]) -> Iterator[Item]:
    """The next of each queue in turn, until all have run out; a queue that stands there twice has two turns."""
    waiting = list(queues)
    while waiting:
        going = []
        for queue in waiting:
            for item in islice(queue, 1):
                going.append(queue)
                yield item
        waiting = going
