"""Blocks as strips, one per row of tiles: the rows that strips share are kept, so a block reads every pixel once.

Very wide scenes come in groups of columns, so that memory depends on the tile size and not on the raster.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np

from saticl.datasets.reader import Layers, Reading, SceneReader
from saticl.geo.palette import Flags
from saticl.geo.windows import Window, cores, grid

STRIP_BYTES = 32 * 2**20
"""Reading of a strip held at once, at most; a single column of tiles may take more."""


class Cell(NamedTuple):
    """A tile's window and the part of the scene it owns, both in the scene's coordinates."""

    window: Window
    core: Window


class Strip(NamedTuple):
    """A row of tiles in memory."""

    cells: list[Cell]
    frame: Window
    """What of the scene `layers` holds."""
    layers: Layers
    invalid: Flags | None
    """Which of these pixels hold no data; None where all do."""
    fresh: Reading
    """What no other strip counts: these parts of all strips, over all blocks, are a partition of the scene."""


class _Held(NamedTuple):
    """The strip above, of which the next one shares some rows."""

    frame: Window
    layers: Layers
    invalid: Flags | None


def strips(reader: SceneReader, tile_size: int, overlap: int, block: range | None = None) -> Iterator[Strip]:
    """Strips from top to bottom, group of columns by group of columns; together they hold every tile once.

    `block` are the rows of tiles that are wanted; None: all of the scene.
    """
    extent = reader.height, reader.width, tile_size, overlap
    cells = [Cell(*pair) for pair in zip(grid(*extent), cores(*extent), strict=True)]
    rows = [list(row) for _, row in groupby(cells, key=lambda cell: cell.window.row)]
    chosen = range(len(rows)) if block is None else block
    above = rows[chosen.start - 1][0].window if chosen.start else Window(0, 0, 0, 0)
    per_group = max(1, (affordable_width(reader, tile_size) - overlap) // (tile_size - overlap))
    for first in range(0, len(rows[0]), per_group):
        group = [rows[row][first : first + per_group] for row in chosen]
        yield from _group(reader, group, above.row + above.height)


def crop(layers: Layers, window: Window) -> Layers:
    """A view on a part of the layers, in their own coordinates."""
    rows, cols = window.slices
    dsm = None if layers.dsm is None else layers.dsm[:, rows, cols]
    return Layers(layers.image[:, rows, cols], dsm, layers.mask[rows, cols])


def affordable_width(reader: SceneReader, tile_size: int) -> int:
    """How many columns of this height may be held at once."""
    item = int(np.dtype(reader.image.dtypes[0]).itemsize)
    per_pixel = item * len(reader.scene.bands) + 1 + (0 if reader.dsm is None else 4)
    return STRIP_BYTES // (per_pixel * tile_size)


def _group(reader: SceneReader, rows: list[list[Cell]], counted: int) -> Iterator[Strip]:
    """Strips of some columns; what lies above row `counted` of the scene belongs to the block above."""
    held: _Held | None = None
    for cells in rows:
        frame, owned = _hull([cell.window for cell in cells]), _hull([cell.core for cell in cells])
        top = frame.row if held is None else held.frame.row + held.frame.height
        unread = Window(top, frame.col, frame.row + frame.height - top, frame.width)
        pixels = reader.read(unread)
        layers, invalid = pixels.layers, pixels.invalid
        if held is not None:
            shared = Window(frame.row, frame.col, top - frame.row, frame.width).relative_to(held.frame)
            above = None if held.invalid is None else held.invalid[shared.slices]
            invalid = _stacked_flags(above, invalid, (shared.height, unread.height), frame.width)
            layers = _stacked(crop(held.layers, shared), layers)
        new = max(counted - top, 0)
        fresh = Window(new, owned.col - frame.col, unread.height - new, owned.width)
        yield Strip(cells, frame, layers, invalid, _cropped(pixels, fresh))
        held = _Held(frame, layers, invalid)


def _hull(windows: list[Window]) -> Window:
    """The rectangle from the first to the last window of a row."""
    first, last = windows[0], windows[-1]
    return Window(first.row, first.col, first.height, last.col + last.width - first.col)


def _cropped(pixels: Reading, window: Window) -> Reading:
    invalid, inexact, unknown = (
        None if flags is None else flags[window.slices] for flags in (pixels.invalid, pixels.inexact, pixels.unknown)
    )
    return Reading(crop(pixels.layers, window), invalid, inexact, unknown)


def _stacked_flags(above: Flags | None, below: Flags | None, heights: tuple[int, int], width: int) -> Flags | None:
    if above is None and below is None:
        return None
    pair = zip((above, below), heights, strict=True)
    return np.concatenate([np.zeros((height, width), np.bool_) if one is None else one for one, height in pair])


def _stacked(above: Layers, below: Layers) -> Layers:
    dsm = None
    if above.dsm is not None and below.dsm is not None:
        dsm = np.concatenate([above.dsm, below.dsm], axis=1)
    image = np.concatenate([above.image, below.image], axis=1)
    return Layers(image, dsm, np.concatenate([above.mask, below.mask]))
