"""Which tiles a step trains on: pure functions of the index, the task and a seed. No image is opened.

The modes are those of the field. `overlap` keeps what holds a new class. `disjoint` (also called `noov`) does so only
if no future class is on it, so that a tile belongs to the step that brings the last of its classes; `sequential` takes
the same tiles, and the labels of old classes stay. `split` and `balanced` deal every tile to one class, and so to one
step, for the whole protocol: `split` to the class with the fewest tiles so far, as MiB-CD does; `balanced` to the
class with the smallest share of its own tiles so far, which is how we read the partition of ADE20K that MiB published
as lists; the lists themselves are not repeated.

Tiles that show no class of the protocol are never used. A step whose protocol names places takes tiles of these groups
only; where it brings no class, all known classes stand in for new ones.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from saticl.errors import EmptySelection
from saticl.options import FilterMode
from saticl.tasks import Task
from saticl.tiles.index import Tile
from saticl.tiles.validation import lies_in, split_validation

__all__ = ["Dealt", "classes_without_pixels", "deal", "select", "split_validation"]

LATER = ("disjoint", "noov", "sequential")
"""Modes that refuse tiles with classes of later steps."""

DEALING = ("split", "balanced")
"""Modes that give every tile to one step."""


Numbers = NDArray[np.int64]


class Dealt(NamedTuple):
    """To whom a tile is dealt."""

    step: int
    name: str
    """A class that the step teaches."""


def select(tiles: Iterable[Tile], task: Task, mode: FilterMode, seed: int) -> list[Tile]:
    """Training tiles of the task's step, ordered by id whatever the order of the index.

    Raises:
        EmptySelection: no tile is left for this step.
    """
    ordered = sorted(tiles, key=lambda tile: tile.id)
    placed = [tile for tile in ordered if is_placed(tile, task)]
    taught, later = _labels(task, task.taught), _labels(task, task.future)
    if mode in DEALING:
        dealt = deal(ordered, task, seed, mode)
        selected = [tile for tile in placed if tile.id in dealt and dealt[tile.id].step == task.step]
    else:
        selected = [tile for tile in placed if _holds(tile, taught)]
        if mode in LATER:
            selected = [tile for tile in selected if not _holds(tile, later)]
    if not selected:
        raise EmptySelection(_nothing_left(ordered, placed, task, mode))
    return selected


def deal(tiles: Iterable[Tile], task: Task, seed: int, mode: FilterMode = "split") -> dict[str, Dealt]:
    """The step and the class that each tile (by id) is dealt to: one on it that has had the least so far.

    The least is the fewest tiles with `split`, the smallest share of all tiles that hold it with `balanced`, and then
    the rarest class. Tiles come in an order drawn from the seed; equal counts go to the class learned first. All steps
    that may use a tile take part, so the result is the same at every step. Tiles without any class are left out.
    """
    ordered = sorted(tiles, key=lambda tile: tile.id)
    steps = [task.at(step) for step in range(task.num_steps)]
    offers = [Dealt(one.step, name) for one in steps for name in one.taught if name in task.classes]
    if not ordered or not offers:
        return {}
    holds = np.array([tile.counts for tile in ordered]) > 0
    lies = [_placed(ordered, one) for one in steps]
    offered = np.stack([holds[:, task.classes.index(offer.name)] & lies[offer.step] for offer in offers], axis=1)
    held, sizes = offered.sum(axis=0), np.zeros(len(offers), np.int64)
    dealt: dict[str, Dealt] = {}
    for index in np.random.default_rng(seed).permutation(len(ordered)):
        of_tile = np.flatnonzero(offered[index])
        if of_tile.size:
            poorest = _poorest(of_tile, sizes, held, mode)
            dealt[ordered[index].id] = offers[poorest]
            sizes[poorest] += 1
    return dealt


def _poorest(offers: Numbers, sizes: Numbers, held: Numbers, mode: FilterMode) -> int:
    """Of these offers, by number, the one that has had the least; among equal ones the first."""
    if mode != "balanced":
        return int(offers[sizes[offers].argmin()])
    shares = sizes[offers] / held[offers]
    least = offers[shares == shares.min()]
    return int(least[held[least].argmin()])


def _placed(tiles: Sequence[Tile], task: Task) -> NDArray[np.bool_]:
    """[N] which tiles lie where this step may take tiles from."""
    groups = {tile.group for tile in tiles} if task.places else set()
    known = {group for group in groups if lies_in(group, task.places)}
    return np.array([not task.places or tile.group in known for tile in tiles])


def is_placed(tile: Tile, task: Task) -> bool:
    """Whether the tile lies where this step may take tiles from."""
    return lies_in(tile.group, task.places)


def classes_without_pixels(tiles: Sequence[Tile], task: Task) -> tuple[str, ...]:
    """New classes of this step of which these tiles hold no pixel: nothing could be learned about them."""
    return tuple(name for name in task.new if not any(_holds(tile, _labels(task, (name,))) for tile in tiles))


def _labels(task: Task, names: Sequence[str]) -> list[int]:
    """The labels of these classes, where the folder has any."""
    return [task.classes.index(name) for name in names if name in task.classes]


def _holds(tile: Tile, labels: Sequence[int]) -> bool:
    return any(tile.counts[label] for label in labels)


def _nothing_left(tiles: Sequence[Tile], placed: Sequence[Tile], task: Task, mode: FilterMode) -> str:
    """Why a selection is empty, and what helps."""
    which = f"step {task.step} of the task {task.protocol.name!r} ({', '.join(task.new or task.places)})"
    if not placed:
        return (
            f"None of the {len(tiles)} training tiles lies in {', '.join(task.places)}, the places of {which}: "
            "prepare scenes of these groups, or choose another task. If they are scenes for validation or testing, "
            "add --task.splits merged."
        )
    if not any(_holds(tile, _labels(task, task.taught)) for tile in placed):
        where = f" in {', '.join(task.places)}" if task.places else ""
        return (
            f"None of the {len(placed)} training tiles{where} holds a class of {which}: prepare more scenes, choose a "
            "task without this class, or choose another --seed, which keeps other scenes for validation."
        )
    reason = "was given to another class" if mode in DEALING else "also holds a class that is learned later"
    return (
        f"No training tile is left for {which} with --task.filter-mode {mode}: every tile that holds it {reason}. "
        "Try --task.filter-mode overlap, smaller tiles, or more scenes."
    )
