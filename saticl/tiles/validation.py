"""Which training tiles are kept for validation, without leaking: no pixel is ever in both parts.

Whole groups of scenes are kept where there are several, else whole scenes, else one end of the only scene; then the
training tiles that reach into that end are dropped. Where a learning order names places, every place is divided on its
own in the same way, because every place is to be learned.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from saticl.errors import EmptySelection
from saticl.geo.windows import Window
from saticl.tiles.index import Tile

Parts = tuple[list[Tile], list[Tile]]
"""Training and validation."""


def split_validation(tiles: Sequence[Tile], val_size: float, seed: int) -> Parts:
    """Part the tiles into (training, validation), both ordered by id; test tiles are in neither.

    A dataset that names validation scenes itself is followed. Otherwise about `val_size` of the groups (scenes, rows
    of tiles) is kept, drawn with the seed, but at least one, and at least one is left to train on.

    Raises:
        EmptySelection: there is nothing to train on, or too little to keep some of it for validation.
    """
    ordered = sorted((tile for tile in tiles if tile.split != "test"), key=lambda tile: tile.id)
    training = [tile for tile in ordered if tile.split == "train"]
    if not training:
        raise EmptySelection("The prepared folder holds no training tile: prepare scenes of the training split too.")
    if len(training) < len(ordered):
        return training, [tile for tile in ordered if tile.split == "val"]
    for unit in (_group, _scene):
        if len({unit(tile) for tile in training}) > 1:
            return _by_unit(training, unit, val_size, seed)
    for parts in _blocks(training, val_size, seed):
        return parts
    raise EmptySelection(
        f"The only training scene, {training[0].scene}, has too few tiles ({len(training)}) to keep some for "
        "validation: prepare more scenes, or smaller tiles with less --overlap."
    )


def split_by_place(
    tiles: Sequence[Tile], places: Sequence[str], val_size: float, seed: int, known: Sequence[str] = ()
) -> Parts:
    """Part the tiles of these places (none named: of all) into (training, validation), both ordered by id.

    Of every place about `val_size` is kept: of its groups where it has several, else of its scenes, or one end of its
    only scene; a place that is too small for this is for training. `known` are the places of all steps: what lies in
    none of them is divided group by group, and what lies in several belongs to the smallest, so that steps which share
    groups agree. Validation scenes that the dataset names itself are followed, wherever they lie. Training may
    be empty.

    Raises:
        EmptySelection: there is something to train on, but too little to keep some of it for validation.
    """
    ordered = sorted((tile for tile in tiles if tile.split != "test"), key=lambda tile: tile.id)
    named = [tile for tile in ordered if tile.split == "val"]
    training = [tile for tile in ordered if tile.split == "train"]
    own = {group for group in {tile.group for tile in training} if lies_in(group, places)}
    if named or not own:
        return [tile for tile in training if tile.group in own], named
    divided: dict[str, list[Tile]] = defaultdict(list)
    smallest = {group: _smallest(group, (*known, *places)) for group in {tile.group for tile in training}}
    for tile in training:
        divided[smallest[tile.group]].append(tile)
    parts = [_within(divided[name], val_size, seed) for name in sorted({smallest[group] for group in own})]
    kept, validation = (
        sorted((tile for tile in chain(*one) if tile.group in own), key=_id) for one in zip(*parts, strict=True)
    )
    if not validation:
        raise EmptySelection(
            f"{', '.join(places) or 'The prepared folder'} has too few tiles ({len(kept)}) to keep some for "
            "validation: prepare more scenes."
        )
    return kept, validation


def lies_in(group: str, places: Sequence[str]) -> bool:
    """Whether a group is one of these places or a part of one, as `urban/13` is of `urban`; without places, always."""
    return not places or any(group == place or group.startswith(f"{place}/") for place in places)


def merged(tiles: Sequence[Tile]) -> list[Tile]:
    """The same tiles, all of them for training: `split_by_place` then keeps some of every place."""
    return [replace(tile, split="train") for tile in tiles]


def _smallest(group: str, places: Sequence[str]) -> str:
    """The smallest of the places that a group lies in; the group itself where it lies in none."""
    return max((place for place in places if lies_in(group, [place])), key=len, default=group)


def _within(tiles: list[Tile], val_size: float, seed: int) -> Parts:
    """Part the tiles of one place; nothing is kept where it cannot be divided."""
    for unit in (_group, _scene):
        if len({unit(tile) for tile in tiles}) > 1:
            return _by_unit(tiles, unit, val_size, seed)
    return next(_blocks(tiles, val_size, seed), (tiles, []))


def _id(tile: Tile) -> str:
    return tile.id


def _group(tile: Tile) -> str:
    return tile.group


def _scene(tile: Tile) -> str:
    return tile.scene


def _share(number: int, val_size: float) -> int:
    return min(max(1, round(val_size * number)), number - 1)


def _by_unit(tiles: Sequence[Tile], unit: Callable[[Tile], str], val_size: float, seed: int) -> Parts:
    names = sorted({unit(tile) for tile in tiles})
    drawn = np.random.default_rng(seed).permutation(len(names))[: _share(len(names), val_size)]
    kept = {names[index] for index in drawn}
    return [tile for tile in tiles if unit(tile) not in kept], [tile for tile in tiles if unit(tile) in kept]


def _blocks(tiles: Sequence[Tile], val_size: float, seed: int) -> Iterator[Parts]:
    """Ways to cut one scene in two, best first: across its longer side, as close to the wanted share as possible."""
    rows, cols = {tile.window.row for tile in tiles}, {tile.window.col for tile in tiles}
    axes: list[tuple[list[int], Callable[[Tile], int]]] = [
        (sorted(rows), lambda tile: tile.window.row),
        (sorted(cols), lambda tile: tile.window.col),
    ]
    axes.sort(key=lambda axis: -len(axis[0]))
    from_end = bool(np.random.default_rng(seed).integers(2))
    for starts, start in axes:
        for number in range(_share(len(starts), val_size) if len(starts) > 1 else 0, 0, -1):
            kept = set(starts[-number:] if from_end else starts[:number])
            validation = [tile for tile in tiles if start(tile) in kept]
            training = [tile for tile in tiles if not any(_overlap(tile.window, other.window) for other in validation)]
            if training:
                yield training, validation


def _overlap(a: Window, b: Window) -> bool:
    apart_in_rows = a.row + a.height <= b.row or b.row + b.height <= a.row
    apart_in_cols = a.col + a.width <= b.col or b.col + b.width <= a.col
    return not (apart_in_rows or apart_in_cols)
