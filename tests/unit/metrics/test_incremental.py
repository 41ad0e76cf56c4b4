"""Scores over the steps of a run: worked examples by hand, identities of published tables, and algebra."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from saticl.metrics.incremental import (
    against_joint,
    backward_transfer,
    forgetting,
    group_means,
    harmonic_mean,
    over_steps,
    plasticity,
    step_ranges,
    true_iou,
)
from saticl.metrics.scores import score, score_groups

Floats = NDArray[np.float64]
NAN = float("nan")

HEADS = (3, 1, 2)
"""Background and two classes, then one, then two."""
IOU = ([0.9, 0.8, 0.6], [0.8, 0.5, 0.7, 0.4], [0.7, 0.4, 0.2, 0.1, 0.6, 0.2])
"""After each step, by output index."""


@st.composite
def runs(draw: st.DrawFn, most: int = 4) -> tuple[list[Floats], tuple[int, ...]]:
    """IoU of all classes after every step, some of them without ground truth, and the heads they belong to."""
    first, *later = draw(st.lists(st.integers(1, 3), min_size=1, max_size=most))
    heads = (1 + first, *later)
    values = st.floats(0, 1) | st.just(NAN)
    lengths = np.cumsum(heads).tolist()
    return [draw(arrays.arrays(np.float64, length, elements=values)) for length in lengths], heads


def slow_forgetting(scores: Floats) -> Iterator[float]:
    """By the words of the definition, one number at a time."""
    last = len(scores) - 1
    for group in range(last):
        best = NAN
        for step in range(group, last):
            value = scores[step, group]
            if not math.isnan(value) and not best >= value:
                best = value
        yield best - scores[last, group]


def test_a_run_of_three_steps_worked_by_hand() -> None:
    run = over_steps(IOU, HEADS)

    assert_allclose(run.by_step, [[0.7, NAN, NAN], [0.6, 0.4, NAN], [0.3, 0.1, 0.4]])
    assert_allclose(run.all, [0.7, 1.6 / 3, 0.3])
    assert_allclose(run.all_with_background, [2.3 / 3, 0.6, 2.2 / 6])
    assert_allclose(run.forgetting, [0.4, 0.3])
    assert run.summary == pytest.approx(
        {
            "final": 0.3,
            "final_with_background": 2.2 / 6,
            "average": (0.7 + 1.6 / 3 + 0.3) / 3,
            "average_with_background": (2.3 / 3 + 0.6 + 2.2 / 6) / 3,
            "base": 0.3,
            "base_with_background": 1.3 / 3,
            "added": 0.3,
            "harmonic": 0.3,
            "harmonic_with_background": 2 * (1.3 / 3) * 0.3 / (1.3 / 3 + 0.3),
            "forgetting": 0.35,
            "backward_transfer": ((0.3 - 0.7) + (0.1 - 0.4)) / 2,
            "plasticity": 0.4,
        }
    )


def test_forgetting_is_counted_from_the_best_step_and_transfer_from_the_first() -> None:
    scores = [[0.5, NAN, NAN], [0.7, 0.2, NAN], [0.6, 0.3, 0.9]]

    assert_allclose(forgetting(scores), [0.7 - 0.6, 0.2 - 0.3])
    assert backward_transfer(scores) == pytest.approx(((0.6 - 0.5) + (0.3 - 0.2)) / 2)
    assert plasticity(scores) == pytest.approx((0.2 + 0.9) / 2)


@pytest.mark.parametrize(
    ("row", "background", "printed"),
    [
        pytest.param((46.2, 12.9), False, 37.9, id="MiB, VOC 15-1 disjoint"),
        pytest.param((75.5, 49.4), False, 69.0, id="MiB, VOC 15-5"),
        pytest.param((65.12, 21.11), True, 54.64, id="PLOP, VOC 15-1"),
        pytest.param((68.30, 27.23), True, 58.52, id="REMINDER, VOC 15-1"),
        pytest.param((77.31, 36.59), True, 67.61, id="SSUL, VOC 15-1"),
    ],
)
def test_published_rows_agree_with_one_convention_only(
    row: tuple[float, float], background: bool, printed: float
) -> None:
    """`all` follows from `old` and `new`; whether the background is among 15 or 16 old classes shows."""
    old, new = row
    iou = np.array([*[old] * 16, *[new] * 5])
    summary = over_steps([iou[:16], iou], (16, 5)).summary
    with_, without = summary["final_with_background"], summary["final"]

    ours, other = (with_, without) if background else (without, with_)
    precision = 0.005 if background else 0.05

    assert ours == pytest.approx(printed, abs=precision + 1e-3)
    assert other != pytest.approx(printed, abs=precision + 1e-3)


@given(runs())
def test_forgetting_is_what_its_definition_says(run: tuple[list[Floats], tuple[int, ...]]) -> None:
    scores = over_steps(*run)

    assert_allclose(scores.forgetting, list(slow_forgetting(scores.by_step)), rtol=0, atol=0)


@given(runs())
def test_the_last_row_is_what_scores_of_the_last_step_say(run: tuple[list[Floats], tuple[int, ...]]) -> None:
    """Group means, `base`, `added` and `final` are one computation in two modules; they must not drift apart."""
    iou, heads = run
    rng = np.random.default_rng(len(heads))
    matrix = rng.integers(0, 3, (sum(heads), sum(heads))) * (rng.random((sum(heads), 1)) > 0.3)
    scores = score(matrix, ["x"] * sum(heads), score_groups(heads))

    summary = over_steps([*iou[:-1], true_iou(matrix)], heads).summary

    names = {
        "final": "all",
        "final_with_background": "all_with_background",
        "base": "base",
        "base_with_background": "base_with_background",
        "added": "added",
    }
    for ours, theirs in names.items():
        assert summary[ours] == pytest.approx(scores.value(f"{theirs}.iou"), nan_ok=True)


@given(runs())
def test_forgetting_is_at_least_the_loss_since_learning(run: tuple[list[Floats], tuple[int, ...]]) -> None:
    scores = over_steps(*run).by_step
    since_learning = (scores.diagonal() - scores[-1])[:-1]
    both = ~np.isnan(since_learning) & ~np.isnan(forgetting(scores))

    assert (forgetting(scores)[both] >= since_learning[both]).all()


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_after_two_steps_forgetting_is_backward_transfer_reversed(first: float, then: float, new: float) -> None:
    scores = [[first, NAN], [then, new]]

    assert_allclose(forgetting(scores), [-backward_transfer(scores)])


@given(runs())
def test_a_network_that_changes_nothing_forgets_nothing(run: tuple[list[Floats], tuple[int, ...]]) -> None:
    iou, heads = run
    last = iou[-1]

    scores = over_steps([last[: len(one)] for one in iou], heads)

    assert set(scores.forgetting[~np.isnan(scores.forgetting)]) <= {0.0}
    assert scores.summary["backward_transfer"] in (0.0, pytest.approx(NAN, nan_ok=True))


@given(runs(), st.floats(0, 1))
def test_the_background_moves_only_what_is_named_after_it(
    run: tuple[list[Floats], tuple[int, ...]], background: float
) -> None:
    iou, heads = run
    other = [np.array([background, *one[1:]]) for one in iou]

    ours, theirs = over_steps(iou, heads), over_steps(other, heads)

    assert_allclose(ours.by_step, theirs.by_step, rtol=0)
    assert_allclose(ours.forgetting, theirs.forgetting, rtol=0)
    for name, value in ours.summary.items():
        if not name.endswith("with_background"):
            assert theirs.summary[name] == pytest.approx(value, nan_ok=True)


@given(runs(), st.integers(0, 3))
def test_a_class_without_ground_truth_is_skipped_everywhere(
    run: tuple[list[Floats], tuple[int, ...]], where: int
) -> None:
    """One more class that is never true, at the end of any step's classes, changes no number."""
    iou, heads = run
    group = min(where, len(heads) - 1)
    end = sum(heads[: group + 1])
    wider = [np.insert(one, end, NAN) if step >= group else one for step, one in enumerate(iou)]
    more = tuple(size + (step == group) for step, size in enumerate(heads))

    assert over_steps(wider, more).summary == pytest.approx(over_steps(iou, heads).summary, nan_ok=True)


def test_a_run_of_one_step_has_scores_and_nothing_to_forget() -> None:
    run = over_steps([[0.5, 0.2, 0.4]], (3,))

    assert run.forgetting.shape == (0,)
    assert run.summary["final"] == run.summary["average"] == run.summary["base"] == pytest.approx(0.3)
    unknown = {"added", "harmonic", "harmonic_with_background", "forgetting", "backward_transfer", "plasticity"}
    assert {name for name, value in run.summary.items() if math.isnan(value)} == unknown


def test_a_run_without_any_ground_truth_is_nan_without_a_warning() -> None:
    matrices = [np.zeros((size, size), np.int64) for size in (3, 4, 6)]

    run = over_steps([true_iou(matrix) for matrix in matrices], HEADS)

    assert all(math.isnan(value) for value in run.summary.values())


def test_iou_is_of_classes_with_ground_truth_only() -> None:
    matrix = [[3, 1, 0], [1, 4, 1], [0, 0, 0]]

    assert_allclose(true_iou(matrix), [3 / 5, 4 / 7, NAN])


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_harmonic_mean_lies_between_its_parts_nearer_the_smaller(first: float, second: float) -> None:
    value = harmonic_mean(first, second)

    assert value == harmonic_mean(second, first)
    assert min(first, second) - 1e-12 <= value <= (first + second) / 2 + 1e-12


def test_the_harmonic_mean_of_two_zeros_is_zero_and_of_the_unknown_unknown() -> None:
    assert harmonic_mean(0.0, 0.0) == 0
    assert harmonic_mean(0.0, 0.7) == 0
    assert math.isnan(harmonic_mean(NAN, 0.5))


def test_steps_own_neighbouring_outputs_without_the_background() -> None:
    assert step_ranges(HEADS) == (range(1, 3), range(3, 4), range(4, 6))
    assert step_ranges((2,)) == (range(1, 2),)


@given(runs())
def test_steps_share_out_all_classes(run: tuple[list[Floats], tuple[int, ...]]) -> None:
    iou, heads = run

    assert [index for group in step_ranges(heads) for index in group] == list(range(1, sum(heads)))
    assert len(group_means(iou[0], heads)) == len(heads)


def test_the_distance_to_a_joint_run_worked_by_hand() -> None:
    run = over_steps(IOU, HEADS)

    beside = against_joint(run, [NAN, 0.8, 0.8, 0.6, 0.5, 0.9], HEADS)

    assert_allclose(beside.by_step, [0.8, 0.6, 0.7])
    assert_allclose(beside.all, [0.8, 2.2 / 3, 3.6 / 5])
    assert_allclose(beside.intransigence, [0.1, 0.2, 0.3])
    assert beside.summary == pytest.approx(
        {
            "joint": 0.72,
            "intransigence": 0.25,
            "gap": 0.72 - 0.3,
            "relative_gap": (0.72 - 0.3) / 0.72,
            "share_of_joint": (0.7 / 0.8 + 1.6 / 2.2 + 0.3 / 0.72) / 3,
        }
    )


@given(runs())
def test_a_run_as_good_as_the_joint_one_has_no_distance(run: tuple[list[Floats], tuple[int, ...]]) -> None:
    iou, heads = run
    same = [iou[-1][: len(one)] for one in iou]

    beside = against_joint(over_steps(same, heads), iou[-1], heads)

    for name, value in (("intransigence", 0.0), ("gap", 0.0), ("relative_gap", 0.0), ("share_of_joint", 1.0)):
        assert math.isnan(beside.summary[name]) or beside.summary[name] == pytest.approx(value)


def test_a_joint_run_that_knows_nothing_gives_no_share() -> None:
    beside = against_joint(over_steps(IOU, HEADS), np.zeros(6), HEADS)

    assert math.isnan(beside.summary["relative_gap"])
    assert beside.summary["gap"] == pytest.approx(-0.3)


def test_without_knowing_the_background_only_what_includes_it_is_not_a_number() -> None:
    iou = [[0.5, 0.6, 0.7], [0.4, 0.5, 0.6, 0.7]]

    known, unknown = over_steps(iou, (3, 1)), over_steps(iou, (3, 1), knows_background=False)

    assert {name for name, value in unknown.summary.items() if np.isnan(value)} == {
        name for name in known.summary if name.endswith("with_background")
    }
    assert {name: known.summary[name] for name in ("base", "final")} == pytest.approx({"base": 0.55, "final": 0.6})
    assert unknown.summary["harmonic"] == known.summary["harmonic"]
    assert np.isnan(unknown.all_with_background).all()
    assert known.all_with_background == pytest.approx([0.6, 0.55])
