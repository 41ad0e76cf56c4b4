"""Sums over pixels that can be added up in any order: mean and deviation per band, pixels per label."""

from dataclasses import dataclass
from math import sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

CHUNK = 8192
"""Pixels per partial sum: small enough for the cache, and for sums of squares of 16 bits to be exact in float64."""

FEW_LABELS = 12


@dataclass(frozen=True)
class BandSums:
    """Number of pixels, and per band the sum of their values and of their squares, exact for integers; the largest."""

    count: int
    sums: tuple[float, ...]
    squares: tuple[float, ...]
    highest: tuple[float, ...]
    """Largest value per band; 0 without pixels."""

    @classmethod
    def of(cls, bands: list[NDArray[Any]], valid: NDArray[np.bool_] | None) -> Self:
        """Sums over [H, W] bands, where `valid` if given."""
        values = [band.ravel() if valid is None else band[valid] for band in bands]
        totals = [_integer_sums(band) if band.dtype.kind in "ui" else _float_sums(band) for band in values]
        highest = tuple(band.max().item() if len(band) else 0 for band in values)
        return cls(len(values[0]), tuple(one for one, _ in totals), tuple(two for _, two in totals), highest)

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.count + other.count,
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            tuple(a + b for a, b in zip(self.squares, other.squares, strict=True)),
            self._highest(other),
        )

    def _highest(self, other: Self) -> tuple[float, ...]:
        """The larger one per band, where both have pixels: heights below the sea are less than nothing."""
        if not (self.count and other.count):
            return self.highest if self.count else other.highest
        return tuple(map(max, self.highest, other.highest))

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean per band; 0 without pixels."""
        return tuple(float(total / max(self.count, 1)) for total in self.sums)

    @property
    def std(self) -> tuple[float, ...]:
        """Population deviation per band; 1 for constant bands, so that dividing by it is safe."""
        number = max(self.count, 1)
        # In integers count * squares - sums ** 2 is exact, and only the last division rounds.
        spreads = (number * two - one * one for one, two in zip(self.sums, self.squares, strict=True))
        return tuple(sqrt(max(spread, 0)) / number or 1.0 for spread in spreads)


def label_counts(labels: NDArray[np.uint8], num_classes: int) -> tuple[int, ...]:
    """Pixels per label 0..num_classes-1."""
    if num_classes <= FEW_LABELS:  # comparing is several times faster than a histogram then
        return tuple(int(np.count_nonzero(labels == label)) for label in range(num_classes))
    return tuple(int(number) for number in np.bincount(labels.ravel(), minlength=256)[:num_classes])


def _integer_sums(values: NDArray[Any]) -> tuple[int, int]:
    total = squares = 0
    for start in range(0, len(values), CHUNK):
        chunk = values[start : start + CHUNK].astype(np.float64)
        total += int(chunk.sum())
        squares += int(chunk @ chunk)
    return total, squares


def _float_sums(values: NDArray[Any]) -> tuple[float, float]:
    total = squares = 0.0
    for start in range(0, len(values), CHUNK):
        chunk = values[start : start + CHUNK].astype(np.float64)
        total += float(chunk.sum())
        squares += float(np.square(chunk).sum())
    return total, squares
