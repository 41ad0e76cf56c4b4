"""Scenes as strips, one per row of tiles: the rows that strips share are kept, so every pixel is read once.

Very wide scenes come in groups of columns, so that memory depends on the tile size and not on the raster.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np

from saticl.datasets.reader import Layers, Reading, SceneReader
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
    fresh: Reading
    """What no other strip counts: these parts of all strips are a partition of the scene."""


def strips(reader: SceneReader, tile_size: int, overlap: int) -> Iterator[Strip]:
    """Strips from top to bottom, group of columns by group of columns; together they hold every tile once."""
    extent = reader.height, reader.width, tile_size, overlap
    cells = [Cell(*pair) for pair in zip(grid(*extent), cores(*extent), strict=True)]
    rows = [list(row) for _, row in groupby(cells, key=lambda cell: cell.window.row)]
    per_group = max(1, (_affordable_width(reader, tile_size) - overlap) // (tile_size - overlap))
    for first in range(0, len(rows[0]), per_group):
        yield from _group(reader, [row[first : first + per_group] for row in rows])


def crop(layers: Layers, window: Window) -> Layers:
    """A view on a part of the layers, in their own coordinates."""
    rows, cols = window.slices
    dsm = None if layers.dsm is None else layers.dsm[:, rows, cols]
    return Layers(layers.image[:, rows, cols], dsm, layers.mask[rows, cols])


def _affordable_width(reader: SceneReader, tile_size: int) -> int:
    item = int(np.dtype(reader.image.dtypes[0]).itemsize)
    per_pixel = item * len(reader.scene.bands) + 1 + (0 if reader.dsm is None else 4)
    return STRIP_BYTES // (per_pixel * tile_size)


def _group(reader: SceneReader, rows: list[list[Cell]]) -> Iterator[Strip]:
    held: Layers | None = None
    top = bottom = 0
    for cells in rows:
        frame, owned = _hull([cell.window for cell in cells]), _hull([cell.core for cell in cells])
        unread = Window(bottom, frame.col, frame.row + frame.height - bottom, frame.width)
        pixels = reader.read(unread)
        layers = pixels.layers
        if held is not None:
            layers = _stacked(crop(held, Window(frame.row - top, 0, bottom - frame.row, frame.width)), layers)
        fresh = Window(0, owned.col - frame.col, unread.height, owned.width)
        yield Strip(cells, frame, layers, _cropped(pixels, fresh))
        held, top, bottom = layers, frame.row, frame.row + frame.height


def _hull(windows: list[Window]) -> Window:
    """The rectangle from the first to the last window of a row."""
    first, last = windows[0], windows[-1]
    return Window(first.row, first.col, first.height, last.col + last.width - first.col)


def _cropped(pixels: Reading, window: Window) -> Reading:
    invalid, inexact, unknown = (
        None if flags is None else flags[window.slices] for flags in (pixels.invalid, pixels.inexact, pixels.unknown)
    )
    return Reading(crop(pixels.layers, window), invalid, inexact, unknown)


def _stacked(above: Layers, below: Layers) -> Layers:
    dsm = None
    if above.dsm is not None and below.dsm is not None:
        dsm = np.concatenate([above.dsm, below.dsm], axis=1)
    image = np.concatenate([above.image, below.image], axis=1)
    return Layers(image, dsm, np.concatenate([above.mask, below.mask]))
