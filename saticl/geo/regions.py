"""Regions of a map: what pixels of one value form that share sides (not only corners).

Nothing here loops over pixels or regions: all are worked on at the same time.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from saticl.geo.palette import Bytes
from saticl.labels import IGNORE

Whole = NDArray[np.int32]
"""Whole numbers: half the memory of NumPy's own choice."""


class Regions(NamedTuple):
    """A map divided into regions, numbered by their first pixels, row by row."""

    numbers: Whole
    """[H, W]: which region each pixel is in."""
    values: Bytes
    """The value of each region."""


def find_regions(values: Bytes) -> Regions:
    """The regions of a map [H, W], those of no data too."""
    begins = np.ones(values.shape, bool)
    begins[:, 1:] = values[:, 1:] != values[:, :-1]
    runs = (np.cumsum(begins, dtype=np.int32) - 1).reshape(values.shape)
    # Two runs that touch do so first where one of them begins.
    touch = (values[1:] == values[:-1]) & (begins[1:] | begins[:-1])
    numbers, is_first = _numbered(_joined(int(runs[-1, -1]) + 1, runs[:-1][touch], runs[1:][touch]))
    return Regions(numbers[runs], values[begins][is_first])


def merge_small(values: Bytes, size: int) -> Bytes:
    """The map with regions of fewer pixels than `size` merged into the largest that they touch, until none is left.

    All are merged at once, and then those that are still small; a small region waits while it is the largest around.
    No data, 255, neither grows nor shrinks, and regions that touch nothing else stay. (GDAL's sieve leaves small
    regions among small ones.)
    """
    regions = find_regions(values)
    kinds, sizes = regions.values, np.bincount(regions.numbers.ravel())
    one, other = _touching(regions)
    group = np.arange(len(kinds), dtype=np.int32)
    while True:
        target = _targets(sizes, size, one, other)
        if np.array_equal(target, np.arange(len(target))):
            return np.asarray(kinds[group][regions.numbers])
        kinds = kinds[target]
        is_same = kinds[one] == kinds[other]
        number, is_first = _numbered(_joined(len(kinds), one[is_same], other[is_same]))
        kinds, sizes = kinds[is_first], np.bincount(number, sizes).astype(np.int64)
        group, one, other = number[group], number[one], number[other]
        one, other = one[one != other], other[one != other]


def _touching(regions: Regions) -> tuple[Whole, Whole]:
    """All pairs of regions with data that share a side, each in both orders."""
    numbers, is_data = regions.numbers, regions.values != IGNORE
    keys = []
    for one, other in ((numbers[1:], numbers[:-1]), (numbers[:, 1:], numbers[:, :-1])):
        touch = (one != other) & is_data[one] & is_data[other]
        low, high = np.minimum(one[touch], other[touch]), np.maximum(one[touch], other[touch])
        keys.append(low.astype(np.int64) << 32 | high)
    pairs = np.unique(np.concatenate(keys))
    low, high = (pairs >> 32).astype(np.int32), (pairs & (2**32 - 1)).astype(np.int32)
    return np.concatenate([low, high]), np.concatenate([high, low])


def _targets(sizes: NDArray[np.int64], size: int, one: Whole, other: Whole) -> NDArray[np.int64]:
    """Of each region the one that it becomes a part of: itself, if it is large enough or larger than all it touches.

    Of equally large ones, the first of the map counts as the largest.
    """
    order = np.lexsort((-np.arange(len(sizes)), sizes))
    rank = np.empty(len(sizes), np.int64)
    rank[order] = np.arange(len(sizes))
    largest = rank.copy()
    np.maximum.at(largest, one, rank[other])
    target = np.where(sizes < size, order[largest], np.arange(len(sizes)))
    while not np.array_equal(further := target[target], target):
        target = further
    return np.asarray(target)


def _numbered(first: Whole) -> tuple[Whole, NDArray[np.bool_]]:
    """Numbers from 0 of things that are known by their first member, and which members are first."""
    is_first = first == np.arange(len(first))
    return (np.cumsum(is_first, dtype=np.int32) - 1)[first], is_first


def _joined(number: int, one: Whole, other: Whole) -> Whole:
    """Of things with these numbers, joined in pairs: the smallest that each is joined with, directly or not."""
    first = np.arange(number, dtype=np.int32)
    while len(one):
        low, high = np.minimum(one, other), np.maximum(one, other)
        np.minimum.at(first, high, low)
        while not np.array_equal(further := first[first], first):
            first = further
        one, other = first[low], first[high]
        is_open = one != other
        one, other = one[is_open], other[is_open]
    return first
