"""Regions of a map, and small ones merged into their neighbours."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from saticl.geo.regions import find_regions, merge_small
from tests.regions import maps, pieces


@given(maps())
def test_regions_are_numbered_by_their_first_pixels(values: Any) -> None:
    regions = find_regions(values)

    found, first_pixels = np.unique(regions.numbers, return_index=True)
    assert found.tolist() == list(range(len(regions.values)))
    assert first_pixels.tolist() == sorted(first_pixels)
    np.testing.assert_array_equal(regions.values[regions.numbers], values)


def test_regions_end_where_only_corners_touch() -> None:
    values = np.array([[1, 0, 1], [0, 1, 0]], np.uint8)

    assert find_regions(values).numbers.tolist() == [[0, 1, 2], [3, 4, 5]]


@settings(max_examples=400)
@given(maps(), st.integers(2, 30))
def test_no_small_region_is_left_beside_another(values: Any, size: int) -> None:
    found = merge_small(values, size)

    np.testing.assert_array_equal(found == 255, values == 255)
    assert all(pixels >= size or neighbours <= {255} for pixels, neighbours in pieces(found))


@given(maps())
def test_nothing_changes_where_no_region_is_small(values: Any) -> None:
    sizes = [pixels for pixels, _ in pieces(values)]

    np.testing.assert_array_equal(merge_small(values, min(sizes, default=1)), values)


def test_a_small_region_joins_the_largest_that_it_touches() -> None:
    values = np.array([[1, 1, 1, 0, 2, 2], [1, 1, 1, 0, 2, 2], [1, 1, 1, 255, 255, 255]], np.uint8)

    found = merge_small(values, 3)

    np.testing.assert_array_equal(found, np.where(values == 0, 1, values))


def test_of_equally_large_ones_it_joins_the_first() -> None:
    assert merge_small(np.array([[3, 3, 1, 2, 2]], np.uint8), 2).tolist() == [[3, 3, 3, 2, 2]]


def test_small_regions_among_small_ones_grow_together_first() -> None:
    """The middle pixel joins 2, which then is large enough; GDAL's sieve changes nothing here."""
    assert merge_small(np.array([[1, 2, 2, 3]], np.uint8), 3).tolist() == [[2, 2, 2, 2]]


def test_what_becomes_one_region_counts_as_one() -> None:
    """Once the pixel between them is gone, both pairs are one region, large enough beside the threes."""
    values = np.array([[1, 1, 2, 1, 1, 0, 3, 3, 3, 3]], np.uint8)

    assert merge_small(values, 5).tolist() == [[1] * 5 + [3] * 5]


def test_a_region_without_neighbours_stays_however_small() -> None:
    values = np.array([[255, 1, 255], [255, 255, 255], [2, 255, 3]], np.uint8)

    np.testing.assert_array_equal(merge_small(values, 9), values)
