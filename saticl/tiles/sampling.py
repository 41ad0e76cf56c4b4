"""How often a training tile is drawn: pure functions of the index, the task and a generator. No image is opened.

A rare class stands on few tiles, and on most of these with few pixels. Drawn evenly, an epoch shows it now and then.
Balanced, every new class of the step gets the same share of an epoch, and tiles that show more of it come more often.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saticl.tasks import Task
from saticl.tiles.index import Tile

Shares = NDArray[np.float64]
"""[N], sum 1: the share of an epoch's draws that each tile gets."""


def balanced_shares(tiles: Sequence[Tile], task: Task, replayed: int = 0) -> Shares:
    """Shares of the tiles of a step, in which every new class that occurs (or known one, if none is new) weighs alike.

    A class divides its part among its tiles by the square root of their pixels of it: four times the pixels, twice as
    often. A tile with several new classes adds its parts up; one without any (they are never selected) gets nothing.

    Args:
        tiles: of the step.
        task: says which classes are new.
        replayed: number of tiles of earlier steps that follow them: each gets the share it would have without balance.

    Raises:
        ValueError: no tile shows a new class, so there is nothing to divide by.
    """
    labels = [task.classes.index(name) for name in task.taught if name in task.classes]
    pixels = np.array([[tile.counts[label] for label in labels] for tile in tiles], np.float64)
    roots = np.sqrt(pixels[:, pixels.any(axis=0)])
    if not roots.size:
        raise ValueError("none of the tiles shows a new class")
    parts: Shares = (roots / roots.sum(axis=0)).mean(axis=1)
    total = len(tiles) + replayed
    return np.concatenate([parts * len(tiles) / total, np.full(replayed, 1 / total)])


def draw(shares: Shares, number: int, random: np.random.Generator) -> NDArray[np.int64]:
    """`number` keys in random order: tile n comes `number` times its share, rounded down or up.

    Key n is tile n; when it comes again its key is higher by the number of tiles each time, so that every draw has a
    key, and so a view, of its own.
    """
    order = random.permutation(len(shares))
    ends = np.cumsum(shares[order]) * number
    points = np.arange(number) + random.random()
    # the last end may lie below `number` by rounding; what is beyond belongs to the last tile that has a share
    last = np.flatnonzero(shares[order])[-1]
    places = np.minimum(np.searchsorted(ends, points, side="right"), last)
    repetition = np.arange(number) - np.searchsorted(places, places)
    keys: NDArray[np.int64] = random.permutation(order[places] + len(shares) * repetition)
    return keys
