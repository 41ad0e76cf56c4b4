"""Which tiles a step trains on: pure functions of the index, the task and a seed. No image is opened.

The modes are those of the field: `overlap` keeps what holds a new class, `disjoint` (also called `noov`) only if
no future class is on it, and `split` deals every tile to one class for the whole protocol, as MiB-CD does.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from saticl.errors import EmptySelection
from saticl.tasks import Task
from saticl.tiles.index import Tile
from saticl.tiles.validation import split_validation

__all__ = ["Mode", "classes_without_pixels", "deal", "select", "split_validation"]

Mode = Literal["overlap", "disjoint", "noov", "split"]


def select(tiles: Iterable[Tile], task: Task, mode: Mode, seed: int) -> list[Tile]:
    """Training tiles of the task's step, ordered by id whatever the order of the index.

    Raises:
        EmptySelection: no tile is left for this step.
    """
    ordered = sorted(tiles, key=lambda tile: tile.id)
    if mode == "split":
        dealt = deal(ordered, task, seed)
        selected = [tile for tile in ordered if dealt.get(tile.id) in task.new]
    else:
        selected = [tile for tile in ordered if _holds(tile, task, task.new)]
        if mode in ("disjoint", "noov"):
            selected = [tile for tile in selected if not _holds(tile, task, task.future)]
    if not selected:
        raise EmptySelection(_nothing_left(ordered, task, mode))
    return selected


def deal(tiles: Iterable[Tile], task: Task, seed: int) -> dict[str, str]:
    """The class that each tile (by id) is dealt to: the one on it that has the fewest tiles so far.

    Tiles come in an order drawn from the seed; equal counts go to the class learned first. All classes of the protocol
    take part, so the result is the same at every step. Tiles without any of them are left out.
    """
    ordered = sorted(tiles, key=lambda tile: tile.id)
    shuffled = np.random.default_rng(seed).permutation(len(ordered))
    dealt: dict[str, str] = {}
    sizes: Counter[str] = Counter()
    for tile in (ordered[index] for index in shuffled):
        present = [name for name in task.protocol.foreground if _holds(tile, task, (name,))]
        if present:
            poorest = min(present, key=sizes.__getitem__)
            dealt[tile.id] = poorest
            sizes[poorest] += 1
    return dealt


def classes_without_pixels(tiles: Iterable[Tile], task: Task) -> tuple[str, ...]:
    """New classes of this step of which these tiles hold no pixel: nothing could be learned about them."""
    held = {name for tile in tiles for name in task.new if _holds(tile, task, (name,))}
    return tuple(name for name in task.new if name not in held)


def _holds(tile: Tile, task: Task, names: Sequence[str]) -> bool:
    return any(tile.counts[task.classes.index(name)] for name in names if name in task.classes)


def _nothing_left(tiles: Sequence[Tile], task: Task, mode: Mode) -> str:
    """Why a selection is empty, and what helps."""
    which = f"step {task.step} of the task {task.protocol.name!r} ({', '.join(task.new)})"
    if not any(_holds(tile, task, task.new) for tile in tiles):
        return (
            f"None of the {len(tiles)} training tiles holds a class of {which}: prepare more scenes, choose a task "
            "without this class, or choose another --seed, which keeps other scenes for validation."
        )
    reason = "was given to another class" if mode == "split" else "also holds a class that is learned later"
    return (
        f"No training tile is left for {which} with --task.filter-mode {mode}: every tile that holds it {reason}. "
        "Try --task.filter-mode overlap, smaller tiles, or more scenes."
    )
