"""How far a folder's pixels may be from those that a network knows."""

import pytest

from saticl.runs.drift import far_bands, is_far_in_size


@pytest.mark.parametrize(
    ("mean", "std", "far"),
    [
        (100.0, 50.0, False),
        (125.0, 50.0, False),
        (125.5, 50.0, True),
        (74.5, 50.0, True),
        (100.0, 75.0, False),
        (100.0, 75.5, True),
        (100.0, 33.4, False),
        (100.0, 33.2, True),
        (100.0, 0.0, True),
    ],
)
def test_half_a_deviation_and_a_factor_of_one_and_a_half_are_far(mean: float, std: float, far: bool) -> None:
    assert bool(far_bands(["red"], [100.0], [50.0], [mean], [std])) == far


def test_a_constant_band_is_near_only_what_is_the_same() -> None:
    assert far_bands(["empty"], [7.0], [0.0], [7.0], [0.0]) == []
    assert far_bands(["empty"], [7.0], [0.0], [8.0], [0.0])
    assert far_bands(["empty"], [7.0], [0.0], [7.0], [1.0])


def test_bands_are_named_with_both_numbers_and_further_bands_of_the_folder_do_not_count() -> None:
    far = far_bands(["red", "dsm"], [100.0, 30.0], [50.0, 10.0], [101.0, 284.25, 0.0], [50.0, 14.0, 1.0])

    assert [str(one) for one in far] == ["dsm: 284.2 ± 14 instead of 30 ± 10"]


@pytest.mark.parametrize(
    ("ours", "theirs", "is_far"),
    [
        (0.5, 0.5, False),
        (0.625, 0.5, False),
        (0.63, 0.5, True),
        (0.4, 0.5, False),
        (0.39, 0.5, True),
        (None, 0.5, False),
    ],
)
def test_a_quarter_more_or_less_ground_is_far(ours: float | None, theirs: float, is_far: bool) -> None:
    assert is_far_in_size(ours, theirs) is is_far
    assert is_far_in_size(theirs, ours) is is_far
