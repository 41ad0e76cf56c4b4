"""The paired bootstrap: against all resamples one by one, and where the answer is known."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saticl.metrics.bootstrap import paired_intervals
from tests.reference.bootstrap import exact_means, exact_quantile

NAN = float("nan")


@pytest.mark.parametrize(
    ("differences", "low", "high"),
    [
        ([0.0, 1.0], 0.0, 1.0),  # each end is the mean of a quarter of the resamples
        ([1.0, 4.0, 2.5], 1.0, 4.0),  # of 1 in 27, which is more than 2.5 %: three pairs give smallest and largest
        ([0.3] * 5, 0.3, 0.3),
    ],
)
def test_known_intervals(differences: list[float], low: float, high: float) -> None:
    theirs = np.linspace(0.1, 0.9, len(differences))

    found = paired_intervals((theirs + differences)[:, None], theirs[:, None])

    assert (found.mean[0], found.low[0], found.high[0]) == pytest.approx((np.mean(differences), low, high))
    assert found.pairs[0] == len(differences)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_that_of_all_resamples(seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.1, 1, 6)
    means = exact_means(differences.tolist())

    found = paired_intervals(differences[:, None], np.zeros((6, 1)), resamples=40_000)

    assert found.low[0] == pytest.approx(exact_quantile(means, 0.025), abs=0.03)
    assert found.high[0] == pytest.approx(exact_quantile(means, 0.975), abs=0.03)
    assert found.mean[0] == pytest.approx(sum(differences) / 6)


def test_one_pair_has_no_interval_and_none_nothing() -> None:
    one = paired_intervals([[0.5]], [[0.2]])
    none = paired_intervals([[0.5], [NAN]], [[NAN], [0.2]])

    assert (one.mean[0], one.pairs[0]) == (pytest.approx(0.3), 1)
    assert np.isnan([one.low[0], one.high[0], none.mean[0], none.low[0], none.high[0]]).all()
    assert none.pairs[0] == 0


def test_a_pair_counts_only_where_both_sides_know_the_measure() -> None:
    ours = np.array([[0.1, 0.5], [0.4, NAN], [0.9, 0.7], [0.2, 0.1]])
    theirs = np.array([[0.0, 0.1], [0.1, 0.3], [0.2, 0.2], [NAN, 0.3]])

    both = paired_intervals(ours, theirs)
    alone = [
        paired_intervals(ours[rows][:, [measure]], theirs[rows][:, [measure]])
        for measure, rows in ((0, [0, 1, 2]), (1, [0, 2, 3]))
    ]

    assert both.pairs.tolist() == [3, 3]
    for measure, expected in enumerate(alone):
        assert both.mean[measure] == expected.mean[0]
        assert (both.low[measure], both.high[measure]) == (expected.low[0], expected.high[0])


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8),
    st.integers(0, 3),
)
def test_the_interval_lies_within_the_differences_and_turns_with_the_sides(
    pairs: list[tuple[float, float]], seed: int
) -> None:
    ours, theirs = (np.array(side)[:, None] for side in zip(*pairs, strict=True))

    one, other = paired_intervals(ours, theirs, 500, seed), paired_intervals(theirs, ours, 500, seed)

    differences = ours - theirs
    assert differences.min() - 1e-12 <= one.low[0] <= one.high[0] <= differences.max() + 1e-12
    assert (one.low[0], one.high[0]) == pytest.approx((-other.high[0], -other.low[0]), abs=1e-12)


def test_all_resamples_of_two_are_four() -> None:
    assert sorted(exact_means([0.0, 1.0])) == [0.0, 0.5, 0.5, 1.0]
    assert len(exact_means([1.0, 2.0, 3.0])) == len(list(product(range(3), repeat=3)))
