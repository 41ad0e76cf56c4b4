"""How sure a mean of paired differences is: the percentile bootstrap (Efron and Tibshirani, 1993). Pure NumPy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES, SEED, LEVEL = 10_000, 0, 0.95
"""How often pairs are drawn again, with which seed, and the share of the means that an interval holds."""


@dataclass(frozen=True)
class Intervals:
    """Of M measures, [M] each; NaN where nothing can be said."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    """NaN for fewer than two pairs."""
    high: NDArray[np.float64]
    pairs: NDArray[np.int64]
    """How many pairs know the measure on both sides."""


def paired_intervals(ours: ArrayLike, theirs: ArrayLike, resamples: int = RESAMPLES, seed: int = SEED) -> Intervals:
    """Mean of `ours` - `theirs`, and the interval that holds 95 % of the means of pairs drawn with replacement.

    Args:
        ours: [N, M], of N pairs and M measures; NaN where a number is not known.
        theirs: [N, M], of the same pairs. A pair counts for a measure if both sides know it.
        resamples: how often N pairs are drawn; every measure that knows the same pairs sees the same draws.
        seed: the same seed gives the same interval.
    """
    differences = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    known = ~np.isnan(differences)
    results = np.full((3, differences.shape[1]), np.nan)
    for pattern in np.unique(known.T, axis=0):
        columns = np.flatnonzero((pattern == known.T).all(axis=1))
        results[:, columns] = _of_complete(differences[pattern][:, columns], resamples, seed)
    mean, low, high = results
    return Intervals(mean, low, high, known.sum(axis=0))


def _of_complete(differences: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Mean, low and high [3, M] of differences [N, M] without a gap."""
    number, measures = differences.shape
    if number == 0:
        return np.full((3, measures), np.nan)
    mean = differences.mean(axis=0)
    if number == 1:
        return np.stack([mean, np.full(measures, np.nan), np.full(measures, np.nan)])
    # How often each pair is drawn says as much as which one is drawn when, and needs no array of the draws.
    counts = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=resamples)
    low, high = np.quantile(counts @ differences / number, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return np.stack([mean, low, high])
