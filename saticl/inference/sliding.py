"""Rasters of any size through a network: windows in rows from top to bottom, blended where they overlap.

What is held at any moment is one row of windows, so memory depends on the raster's width and not on its height.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saticl.geo.imagery import Patch
from saticl.geo.raster import Array
from saticl.geo.windows import Window
from saticl.inference.blending import fades
from saticl.transforms.dihedral import Dihedral
from saticl.transforms.rescale import filling

Read = Callable[[Window], Patch]
"""Reads a window of the raster."""

Probabilities = Callable[[Tensor], Tensor]
"""From raw images [B, C, h, w] to probabilities [B, K, h, w]."""


@dataclass(frozen=True)
class Tiling:
    """How rasters are divided."""

    size: int = 512
    """Side of a window in pixels."""
    overlap: int = 128
    """Pixels that neighbours share."""
    batch_size: int = 4
    """Windows that pass the network together."""
    views: int = 1
    """Symmetric views whose mean is taken: 1, 4 or 8."""


ALIGNED = 32
"""Pixels that become one in the coarsest maps of most networks: moved by less, a network sees others together."""


@dataclass(frozen=True)
class Windows:
    """The windows of a raster, all of one size.

    They begin at multiples of `aligned` where the size and the overlap do, so that the network divides the raster in
    the same way in each; for that, the last ones may show up to `aligned` - 1 pixels beyond the raster.
    """

    height: int
    width: int
    size: int
    overlap: int
    aligned: int = ALIGNED

    @cached_property
    def starts(self) -> tuple[list[int], list[int]]:
        """Where rows and columns of windows begin."""
        return self._starts(self.height), self._starts(self.width)

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width of every window: the size, or less where the raster is smaller."""
        return min(self.size, self.height), min(self.size, self.width)

    @property
    def covered(self) -> tuple[int, int]:
        """Rows and columns that windows show, those beyond the raster included."""
        (rows, cols), (height, width) = self.starts, self.extent
        return rows[-1] + height, cols[-1] + width

    @cached_property
    def weights(self) -> tuple[list[Tensor], list[Tensor]]:
        """What the pixels of each row [h] and of each column [w] of windows count."""
        sides = zip(self.starts, self.extent, self.covered, strict=True)
        rows, cols = (fades(starts, length, total, self.overlap) for starts, length, total in sides)
        return rows, cols

    def _starts(self, total: int) -> list[int]:
        if total <= self.size:
            return [0]
        last = -(-(total - self.size) // self.aligned) * self.aligned
        return [*range(0, last, self.size - self.overlap), last]

    def over(self, rows: range) -> range:
        """The rows of windows that show any of these rows of the raster."""
        starts, length = self.starts[0], self.extent[0]
        touching = [index for index, start in enumerate(starts) if start < rows.stop and start + length > rows.start]
        return range(touching[0], touching[-1] + 1)

    def finished(self, index: int) -> int:
        """The row of the raster above which nothing changes once this row of windows is done."""
        starts = self.starts[0]
        return starts[index + 1] if index + 1 < len(starts) else self.height


class Band(NamedTuple):
    """Some rows of the raster, finished."""

    row: int
    """The first of them."""
    probabilities: Tensor
    """[K, n, W] float32 on the device."""
    invalid: NDArray[np.bool_]
    """[n, W] pixels without data."""


class _Strip(NamedTuple):
    """The pixels that a row of windows sees."""

    image: Array
    """[C, h, W]."""
    invalid: NDArray[np.bool_]
    """[h, W]."""


def blended(
    read: Read,
    probabilities: Probabilities,
    windows: Windows,
    fill: Sequence[float],
    batch_size: int,
    rows: range | None = None,
) -> Iterator[Band]:
    """Probabilities of a raster, or of some of its rows, from top to bottom; the same whichever rows are asked for.

    Args:
        read: gives pixels of the raster; called from another thread, for the next row while the network works.
        probabilities: the network.
        windows: how the raster is divided.
        fill: a value per band for pixels without data.
        batch_size: windows that pass the network together.
        rows: the rows that are wanted; None: all.
    """
    wanted = range(windows.height) if rows is None else rows
    sums: Tensor | None = None
    for index, strip in _strips(_beyond(read, windows), windows, wanted, fill):
        top = windows.starts[0][index]
        sums = _with_row(sums, strip, probabilities, windows, index, batch_size)
        end = windows.finished(index)
        done = range(max(top, wanted.start), min(end, wanted.stop))
        if done:
            part = slice(done.start - top, done.stop - top)
            yield Band(done.start, _finished(sums, part, windows.width), strip.invalid[part, : windows.width])
        if sums is not None:
            _move_up(sums, end - top)


def symmetric(probabilities: Probabilities, views: int) -> Probabilities:
    """The mean over an image and its turned views (4: quarter turns; 8: mirrored ones too), each turned back."""
    turns = Dihedral.group()[:views]

    def of(images: Tensor) -> Tensor:
        total = probabilities(images)
        for turn in turns[1:]:
            total = total + turn.inverse()(probabilities(turn(images)))
        return total / len(turns)

    return of if views > 1 else probabilities


def _with_row(
    sums: Tensor | None, strip: _Strip, probabilities: Probabilities, windows: Windows, index: int, batch_size: int
) -> Tensor | None:
    """The sums [K, h, W] with those of a row of windows, weighted; None where no pixel held data so far."""
    (row_weights, col_weights), width = windows.weights, windows.extent[1]
    starts = [
        (number, start)
        for number, start in enumerate(windows.starts[1])
        if not strip.invalid[:, start : start + width].all()
    ]
    for first in range(0, len(starts), batch_size):
        chosen = starts[first : first + batch_size]
        images = np.stack([strip.image[:, :, start : start + width] for _, start in chosen])
        found = probabilities(torch.from_numpy(images)).float()
        if sums is None:
            sums = found.new_zeros(found.shape[1], found.shape[2], windows.covered[1])
        found *= row_weights[index].to(found.device)[:, None]
        for (number, start), one in zip(chosen, found, strict=True):
            sums[:, :, start : start + width].addcmul_(one, col_weights[number].to(found.device))
    return sums


def _finished(sums: Tensor | None, part: slice, width: int) -> Tensor:
    """The finished rows; where the network saw nothing yet, there are no classes."""
    return torch.zeros(0, part.stop - part.start, width) if sums is None else sums[:, part, :width].clone()


def _move_up(sums: Tensor, by: int) -> None:
    """Make room for the next row of windows, so many rows below; class by class, to need no second copy."""
    for one in sums:
        kept = one[by:].clone()
        one[: len(kept)] = kept
        one[len(kept) :] = 0


def _strips(read: Read, windows: Windows, wanted: range, fill: Sequence[float]) -> Iterator[tuple[int, _Strip]]:
    """What each row of windows sees; the next one is read while this one is used."""
    height, indices = windows.extent[0], windows.over(wanted)
    starts = windows.starts[0]

    def load(top: int, rows: int) -> _Strip:
        return _filled(read(Window(top, 0, rows, windows.covered[1])), fill)

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(load, starts[indices.start], height)
        held: _Strip | None = None
        for index in indices:
            fresh = coming.result()
            strip = fresh if held is None else _joined(held, fresh, height)
            if index + 1 < indices.stop:
                bottom = starts[index] + height
                coming = reader.submit(load, bottom, starts[index + 1] + height - bottom)
            yield index, strip
            held = strip


def _beyond(read: Read, windows: Windows) -> Read:
    """Reads also beyond the raster, below it and to its right, where there are no data."""

    def of(window: Window) -> Patch:
        rows, cols = max(min(window.height, windows.height - window.row), 0), windows.width
        top = min(window.row, windows.height - 1)
        image, _, empty = read(Window(top, 0, max(rows, 1), cols))  # where all is beyond, for the type of the pixels
        more = (0, window.height - rows), (0, window.width - cols)
        if rows and not any(more[0] + more[1]):
            return Patch(image, None, empty)
        invalid = np.zeros(image.shape[1:], np.bool_) if empty is None else empty
        return Patch(
            np.pad(image[:, :rows], ((0, 0), *more)), None, np.pad(invalid[:rows], more, constant_values=True)
        )

    return of


def _filled(patch: Patch, fill: Sequence[float]) -> _Strip:
    """Pixels of a type that torch knows, those without data replaced."""
    image = patch.image if patch.image.dtype == np.uint8 else patch.image.astype(np.float32)
    height, width = image.shape[1:]
    if patch.invalid is None:
        return _Strip(image, np.zeros((height, width), np.bool_))
    return _Strip(np.where(patch.invalid, filling(fill, image.dtype)[:, None, None], image), patch.invalid)


def _joined(above: _Strip, below: _Strip, height: int) -> _Strip:
    """The last rows of what is held and the new ones below them."""
    shared = height - below.image.shape[1]
    old = slice(above.image.shape[1] - shared, None)
    return _Strip(
        np.concatenate([above.image[:, old], below.image], axis=1), np.concatenate([above.invalid[old], below.invalid])
    )
