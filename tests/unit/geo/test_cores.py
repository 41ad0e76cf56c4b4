"""Who owns the pixels that two windows share."""

from hypothesis import given
from hypothesis import strategies as st

from saticl.geo.windows import Window, cores, grid


def test_an_overlap_is_cut_in_the_middle() -> None:
    assert grid(64, 112, 64, 16) == [Window(0, 0, 64, 64), Window(0, 48, 64, 64)]
    assert cores(64, 112, 64, 16) == [Window(0, 0, 64, 56), Window(0, 56, 64, 56)]


def test_a_window_that_was_pulled_inside_shares_its_larger_overlap_too() -> None:
    # columns 0..64 and 26..90: they share 26..64, whose middle is 45
    assert [core.col for core in cores(64, 90, 64, 16)] == [0, 45]


@given(st.integers(1, 300), st.integers(2, 80), st.data())
def test_no_window_keeps_more_of_an_overlap_than_its_neighbour(length: int, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    windows, owned = grid(1, length, size, overlap), cores(1, length, size, overlap)

    for left, right, core in zip(windows, windows[1:], owned, strict=False):
        cut = core.col + core.width
        kept_by_left, kept_by_right = cut - right.col, left.col + left.width - cut
        assert abs(kept_by_left - kept_by_right) <= 1
