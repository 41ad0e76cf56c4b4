"""Weights of overlapping windows: a partition of one, full at the edges of the raster."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saticl.geo.windows import grid
from saticl.inference.blending import MARGIN, fade, fades


@given(st.integers(1, 200), st.integers(2, 40), st.data())
def test_windows_count_one_in_all_at_every_pixel(total: int, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    starts = sorted({window.col for window in grid(1, total, size, overlap)})
    length = min(size, total)

    weights = fades(starts, length, total, overlap)

    sums = torch.zeros(total)
    for start, weight in zip(starts, weights, strict=True):
        assert weight.isfinite().all()
        assert (weight >= 0).all()
        sums[start : start + length] += weight
    torch.testing.assert_close(sums, torch.ones(total))


def test_neighbours_fade_into_each_other_without_dividing() -> None:
    left, right = fade(64, 16, False, True), fade(64, 16, True, False)

    torch.testing.assert_close(left[-16:] + right[:16], torch.ones(16))
    assert right[:4].eq(0).all()
    assert right[12:].eq(1).all()
    assert right[4:12].diff().gt(0).all()
    assert round(16 * MARGIN) == 4


def test_pixels_at_the_edge_of_the_raster_count_fully() -> None:
    assert fade(10, 4, False, False).eq(1).all()
    assert fade(10, 0, True, True).eq(1).all()


@pytest.mark.parametrize("overlap", [1, 2, 3, 4, 5])
def test_small_overlaps_leave_no_pixel_without_weight(overlap: int) -> None:
    first, second = fades([0, 8 - overlap], 8, 16 - overlap, overlap)

    torch.testing.assert_close(first[8 - overlap :] + second[:overlap], torch.ones(overlap))
