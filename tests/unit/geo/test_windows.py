from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saticl.errors import InvalidOptions
from saticl.geo.windows import Window, cores, grid


@st.composite
def extents(draw: st.DrawFn) -> tuple[int, int, int, int]:
    size = draw(st.integers(1, 40))
    overlap = draw(st.integers(0, size - 1))
    return draw(st.integers(1, 130)), draw(st.integers(1, 130)), size, overlap


@given(extents())
def test_windows_cover_every_pixel_and_stay_inside(extent: tuple[int, int, int, int]) -> None:
    height, width, size, overlap = extent
    covered = np.zeros((height, width), int)

    for window in grid(height, width, size, overlap):
        assert covered[window.slices].shape == (window.height, window.width) == (min(size, height), min(size, width))
        covered[window.slices] += 1

    assert covered.min() >= 1


@given(extents())
def test_no_window_is_repeated_and_neighbours_share_at_least_the_overlap(extent: tuple[int, int, int, int]) -> None:
    height, width, size, overlap = extent
    windows = grid(height, width, size, overlap)
    rows = sorted({window.row for window in windows})

    assert len(set(windows)) == len(windows)
    assert all(upper + size - lower >= overlap for upper, lower in pairwise(rows))


@given(extents())
def test_no_window_could_be_left_out_of_a_row(extent: tuple[int, int, int, int]) -> None:
    height, width, size, overlap = extent
    stride = size - overlap
    needed = 1 if height <= size else -(-(height - size) // stride) + 1

    assert len({window.row for window in grid(height, width, size, overlap)}) == needed


@given(extents())
def test_cores_are_a_partition_and_lie_in_their_windows(extent: tuple[int, int, int, int]) -> None:
    height, width, size, overlap = extent
    owned = np.zeros((height, width), int)

    for window, core in zip(grid(height, width, size, overlap), cores(height, width, size, overlap), strict=True):
        inside = core.relative_to(window)
        assert min(inside.row, inside.col, inside.height - 1, inside.width - 1) >= 0
        assert inside.row + inside.height <= window.height
        assert inside.col + inside.width <= window.width
        owned[core.slices] += 1

    assert (owned == 1).all()


def test_the_potsdam_grid_has_225_tiles_and_ends_at_the_edge() -> None:
    windows = grid(6000, 6000, 512, 112)

    assert len(windows) == 225
    assert windows[-1] == Window(5488, 5488, 512, 512)


def test_a_raster_smaller_than_a_tile_gives_one_window_of_its_own_extent() -> None:
    assert grid(20, 30, 64, 8) == cores(20, 30, 64, 8) == [Window(0, 0, 20, 30)]


@pytest.mark.parametrize("overlap", [-1, 64, 100])
def test_an_overlap_that_leaves_no_stride_is_refused(overlap: int) -> None:
    with pytest.raises(InvalidOptions, match="0 to 63"):
        grid(100, 100, 64, overlap)
