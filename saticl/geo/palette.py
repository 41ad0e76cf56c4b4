"""Colours to labels by lookup, never by comparing class after class.

Labels are 0..N-1 in the order of the palette, UNLABELLED (254) for what nobody has drawn, and IGNORE (255) for what it
ignores or does not know. How many pixels were not known is always counted: silently turning them into some class is
the classic defect of ISPRS readers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from saticl.labels import IGNORE, MAX_CLASSES, UNLABELLED, Colour

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]

UNKNOWN = MAX_CLASSES
"""Marks values of no class in the lookup tables, and never leaves them."""

APART = 40
"""Distance in red, green and blue from which on two colours of a map are told apart."""


class Decoded(NamedTuple):
    """A mask as labels, and where it was not clean; None where it is clean everywhere."""

    labels: Bytes
    """[H, W], IGNORE where ignored or unknown."""
    inexact: Flags | None
    """[H, W] pixels whose colour is not exactly in the palette."""
    unknown: Flags | None
    """[H, W] pixels of no class: they became IGNORE."""


@dataclass(frozen=True)
class ThresholdPalette:
    """A palette of pure colours (channels 0 or 255), decoded by thresholding each channel at 128.

    Undoes lossy compression and blending, from which real masks suffer.
    """

    colours: tuple[Colour, ...]
    ignored: tuple[Colour, ...] = ()

    def decode(self, rgb: Bytes) -> Decoded:
        """Labels of [3, H, W]."""
        red, green, blue = rgb
        corner = (red >> 5 & 4) | (green >> 6 & 2) | (blue >> 7)
        labels = np.frombuffer(bytearray(corner.tobytes().translate(self._table)), np.uint8).reshape(corner.shape)
        unknown = _some(labels == UNKNOWN) if UNKNOWN in self._table[:8] else None
        if unknown is not None:
            labels[unknown] = IGNORE
        # Adding one wraps 255 to 0 and 0 to 1, so that only values in between exceed 1.
        red, green, blue = rgb + np.uint8(1)
        inexact = _some((red | green | blue) > 1)
        return Decoded(
            labels, unknown if inexact is None else inexact if unknown is None else inexact | unknown, unknown
        )

    @cached_property
    def _table(self) -> bytes:
        table = bytearray([UNKNOWN]) * 256
        for label, colours in [*((i, [c]) for i, c in enumerate(self.colours)), (IGNORE, self.ignored)]:
            for red, green, blue in colours:
                table[(red >> 5 & 4) | (green >> 6 & 2) | (blue >> 7)] = label
        return bytes(table)


@dataclass(frozen=True)
class ExactPalette:
    """A palette of any colours, which must match exactly."""

    colours: tuple[Colour, ...]
    ignored: tuple[Colour, ...] = ()
    unlabelled: tuple[Colour, ...] = ()
    """Colours that say that nobody has drawn a class."""

    def decode(self, rgb: Bytes) -> Decoded:
        """Labels of [3, H, W]."""
        red, green, blue = rgb.astype(np.uint32)
        return _known(self._table[red << 16 | green << 8 | blue])

    @cached_property
    def _table(self) -> Bytes:
        table = np.full(2**24, UNKNOWN, np.uint8)
        classes = [(label, (colour,)) for label, colour in enumerate(self.colours)]
        for label, colours in [*classes, (IGNORE, self.ignored), (UNLABELLED, self.unlabelled)]:
            for red, green, blue in colours:
                table[red << 16 | green << 8 | blue] = label
        return table


@dataclass(frozen=True)
class IndexPalette:
    """Masks that hold numbers: the value of each class. They may be negative, in masks with a sign."""

    values: tuple[int, ...]
    ignored: tuple[int, ...] = ()
    unlabelled: tuple[int, ...] = ()
    """Numbers that say that nobody has drawn a class."""

    def decode(self, values: NDArray[np.generic]) -> Decoded:
        """Labels of [1, H, W] in any integer or float type; a number that is not whole is of no class."""
        lowest, highest = self._range
        inside = np.clip(_whole(values[0]), lowest - 1, highest + 1).astype(np.int64) - (lowest - 1)
        return _known(self._table[inside])

    @cached_property
    def _range(self) -> tuple[int, int]:
        every = (*self.values, *self.ignored, *self.unlabelled)
        return min(every), max(every)

    @cached_property
    def _table(self) -> Bytes:
        # The first entry stands for all values below, the last for all beyond.
        lowest, highest = self._range
        table = np.full(highest - lowest + 3, UNKNOWN, np.uint8)
        table[np.array(self.values) - (lowest - 1)] = np.arange(len(self.values))
        table[np.array(self.ignored, np.int64) - (lowest - 1)] = IGNORE
        table[np.array(self.unlabelled, np.int64) - (lowest - 1)] = UNLABELLED
        return table


@dataclass(frozen=True)
class EitherPalette:
    """Masks that are colours in some copies of a dataset and numbers in others: a single band without colours."""

    colours: ExactPalette
    numbers: IndexPalette

    def decode(self, values: Bytes) -> Decoded:
        """Labels of [3, H, W] colours, or of [1, H, W] numbers."""
        return self.numbers.decode(values) if len(values) == 1 else self.colours.decode(values)


@dataclass(frozen=True)
class PresencePalette:
    """Masks of a single class: it is where any band is not 0, and all else is UNLABELLED."""

    label: int
    """IGNORE is possible, too."""
    is_elsewhere: bool = False
    """Whether the label is where all bands are 0 instead: the mask says where it is not."""

    def decode(self, values: NDArray[np.generic]) -> Decoded:
        """Labels of [C, H, W] in any real type; what is not a number counts as 0."""
        is_drawn = np.nan_to_num(values).astype(np.bool_).any(axis=0) != self.is_elsewhere
        return Decoded(np.where(is_drawn, np.uint8(self.label), np.uint8(UNLABELLED)), None, None)


Palette = ThresholdPalette | ExactPalette | IndexPalette | EitherPalette | PresencePalette


def encode(labels: Bytes, colours: tuple[Colour, ...], ignored: Colour = (0, 0, 0)) -> Bytes:
    """Labels [H, W] as colours [3, H, W]; IGNORE takes the colour `ignored`."""
    table = np.full((256, 3), ignored, np.uint8)
    table[: len(colours)] = colours
    return np.moveaxis(table[labels], -1, 0)


GREYS: tuple[Colour, ...] = tuple((level, level + 3, level + 7) for level in (166, 112, 216, 60))
"""What an artificial background may look like in maps, the first choice first."""


def free_grey(taken: Sequence[Colour]) -> Colour:
    """The first grey that no colour of `taken` comes near, or the one that is farthest from them."""
    apart = _distances(np.array(GREYS), taken)
    return GREYS[int(np.argmax(apart >= APART if (apart >= APART).any() else apart))]


def distinct_colours(number: int, taken: Sequence[Colour] = ()) -> tuple[Colour, ...]:
    """Colours for classes without any: each is as far as can be from those before it and from `taken`.

    None comes near black, white, or the greys of the background. There are enough for MAX_CLASSES beside `taken`.
    """
    levels = np.arange(0, 256, 255 / 8).round().astype(np.int64)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    cube = cube[_distances(cube, [(0, 0, 0), (255, 255, 255), *GREYS]) >= APART]
    apart = _distances(cube, [(0, 0, 0), (255, 255, 255), *GREYS, *taken])
    chosen: list[Colour] = []
    for _ in range(number):
        red, green, blue = cube[int(np.argmax(apart))].tolist()
        chosen.append((red, green, blue))
        apart = np.minimum(apart, _distances(cube, chosen[-1:]))
    return tuple(chosen)


def _distances(colours: NDArray[np.int64], others: Sequence[Colour]) -> NDArray[np.float64]:
    """How far each colour [N, 3] is from the nearest of the others: [N], infinite if there are none."""
    between = colours[:, None] - np.array(others, np.float64).reshape(1, -1, 3)
    nearest: NDArray[np.float64] = np.linalg.norm(between, axis=2).min(axis=1, initial=np.inf)
    return nearest


def _whole(numbers: NDArray[np.generic]) -> NDArray[np.int64] | NDArray[np.float64]:
    """Numbers that can be compared with any bound; those that are not whole become infinite."""
    if numbers.dtype.kind == "f":
        wide = numbers.astype(np.float64)
        return np.where(wide == np.floor(wide), wide, np.inf)
    if numbers.dtype == np.uint64:  # its upper half would turn negative
        numbers = np.minimum(numbers, np.uint64(2**62))
    return numbers.astype(np.int64)


def _known(labels: Bytes) -> Decoded:
    unknown = _some(labels == UNKNOWN)
    if unknown is not None:
        labels[unknown] = IGNORE
    return Decoded(labels, unknown, unknown)


def _some(flags: Flags) -> Flags | None:
    return flags if flags.any() else None
