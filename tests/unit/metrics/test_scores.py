"""Scores from a confusion matrix: against scikit-learn, against hand-made matrices, and as algebra."""

import json
import math
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from saticl.metrics.scores import ClassScores, Scores, class_scores, score, score_groups

Matrix = NDArray[np.int64]

HEADS = (3, 1, 2)
NAMES = ("background", "building", "tree", "car", "road", "water")

matrices = st.integers(1, 6).flatmap(
    lambda size: arrays.arrays(np.int64, (size, size), elements=st.integers(0, 20) | st.just(0))
)


def scored(matrix: object, heads: tuple[int, ...] = HEADS) -> Scores:
    return score(np.asarray(matrix), NAMES[: sum(heads)], score_groups(heads))


def full_matrix() -> Matrix:
    return np.random.default_rng(1).integers(1, 100, (6, 6)) + 200 * np.eye(6, dtype=np.int64)


@given(matrices)
def test_class_scores_are_those_of_scikit_learn(matrix: Matrix) -> None:
    assume(matrix.sum() > 0)
    rows, columns = np.indices(matrix.shape).reshape(2, -1)
    truth, prediction = np.repeat(rows, matrix.ravel()), np.repeat(columns, matrix.ravel())
    labels = np.arange(len(matrix))
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
        truth, prediction, labels=labels, zero_division=0
    )
    iou = sklearn_metrics.jaccard_score(truth, prediction, labels=labels, average=None, zero_division=0)

    scores = class_scores(matrix)

    occurs = matrix.sum(0) + matrix.sum(1) > 0
    for ours, theirs in zip(scores[:4], (iou, f1, precision, recall), strict=True):
        assert_allclose(ours[occurs], theirs[occurs], rtol=1e-12)
        assert np.isnan(ours[~occurs]).all()
    assert scores.support.tolist() == support.tolist()


@given(matrices, st.randoms(use_true_random=False))
def test_permuting_classes_permutes_their_scores(matrix: Matrix, random: Random) -> None:
    order = list(range(len(matrix)))
    random.shuffle(order)

    permuted = class_scores(matrix[np.ix_(order, order)])

    for ours, original in zip(permuted, class_scores(matrix), strict=True):
        assert_allclose(ours, original[order], rtol=0)


@given(matrices)
def test_iou_is_f1_over_two_minus_f1(matrix: Matrix) -> None:
    scores = class_scores(matrix)

    assert_allclose(scores.iou, scores.f1 / (2 - scores.f1), rtol=1e-12)


@given(matrices)
def test_a_class_that_never_occurs_changes_no_other_score(matrix: Matrix) -> None:
    wider = np.pad(matrix, (0, 1))

    for ours, original in zip(class_scores(wider), class_scores(matrix), strict=True):
        assert_allclose(ours[:-1], original, rtol=0)
    assert np.isnan(class_scores(wider).iou[-1])


def test_a_perfect_prediction_scores_one_everywhere() -> None:
    scores = scored(np.diag([5, 1, 2, 3, 4, 6]))

    assert set(scores.values().values()) == {1.0}


def test_a_class_predicted_but_never_true_has_iou_zero_and_enters_no_mean() -> None:
    scores = score([[4, 0, 1], [0, 5, 0], [0, 0, 0]], ("background", "a", "b"), score_groups((3,)))

    assert scores.classes.iou.tolist() == [0.8, 1.0, 0.0]
    assert scores.value("all.iou") == 1.0
    assert scores.value("all_with_background.iou") == pytest.approx(0.9)
    assert scores.value("accuracy") == pytest.approx(0.9)
    assert scores.value("all_with_background.f1_micro") == pytest.approx(0.9)


def test_a_class_that_is_always_missed_counts_zero_in_the_mean() -> None:
    scores = score([[4, 0, 0], [0, 6, 0], [3, 0, 0]], ("background", "a", "b"), score_groups((3,)))

    assert scores.value("all.iou") == 0.5
    assert scores.classes.precision[2] == 0
    assert scores.classes.recall[2] == 0


def test_means_of_a_small_matrix_computed_by_hand() -> None:
    scores = score([[6, 2, 0], [1, 3, 0], [0, 1, 7]], ("background", "a", "b"), score_groups((2, 1)))

    assert scores.value("background.iou") == pytest.approx(6 / 9)
    assert scores.value("old.iou") == pytest.approx(3 / 7)
    assert scores.value("old_with_background.iou") == pytest.approx((6 / 9 + 3 / 7) / 2)
    assert scores.value("new.f1") == pytest.approx(14 / 15)
    assert scores.value("all.f1") == pytest.approx((6 / 10 + 14 / 15) / 2)
    assert scores.value("all.f1_micro") == pytest.approx(2 * 10 / (4 + 8 + 6 + 7))
    assert scores.value("accuracy") == pytest.approx(16 / 20)


@given(arrays.arrays(np.int64, (6, 6), elements=st.integers(1, 50)))
def test_all_is_the_mean_of_base_and_added_weighted_by_their_classes(matrix: Matrix) -> None:
    """The identity by which the convention of a published table can be recognised."""
    scores = scored(matrix)

    without = (2 * scores.value("base.iou") + 3 * scores.value("added.iou")) / 5
    within = (3 * scores.value("base_with_background.iou") + 3 * scores.value("added.iou")) / 6
    assert scores.value("all.iou") == pytest.approx(without)
    assert scores.value("all_with_background.iou") == pytest.approx(within)


@given(matrices.filter(lambda matrix: len(matrix) == 6))
def test_micro_f1_over_all_classes_is_the_accuracy(matrix: Matrix) -> None:
    scores = scored(matrix)

    assert scores.value("all_with_background.f1_micro") == pytest.approx(scores.value("accuracy"), nan_ok=True)


def test_groups_follow_the_heads() -> None:
    assert score_groups(HEADS) == {
        "background": (0,),
        "old": (1, 2, 3),
        "new": (4, 5),
        "base": (1, 2),
        "added": (3, 4, 5),
        "all": (1, 2, 3, 4, 5),
        "old_with_background": (0, 1, 2, 3),
        "base_with_background": (0, 1, 2),
        "all_with_background": (0, 1, 2, 3, 4, 5),
    }


def test_nothing_is_old_at_the_first_step() -> None:
    groups = score_groups((4,))

    assert groups["old"] == groups["old_with_background"] == groups["added"] == ()
    assert groups["new"] == groups["base"] == groups["all"] == (1, 2, 3)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_old_and_new_share_out_all_classes_and_so_do_base_and_added(heads: list[int]) -> None:
    groups = score_groups(heads)

    assert groups["old"] + groups["new"] == groups["base"] + groups["added"] == groups["all"]
    assert groups["all_with_background"] == (0, *groups["all"])


def test_scores_of_nothing_are_nan_and_null_in_json() -> None:
    scores = scored(np.zeros((6, 6)))

    assert all(math.isnan(number) for number in scores.values().values())
    document = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert document["accuracy"] is None
    assert document["classes"][1] == {
        "name": "building", "iou": None, "f1": None, "precision": None, "recall": None, "support": 0,
    }  # fmt: skip


def test_the_document_has_a_row_per_class_and_per_group() -> None:
    scores = scored(full_matrix())

    document = scores.to_dict()

    assert [row["name"] for row in document["classes"]] == list(NAMES)  # type: ignore[index,union-attr,call-overload]
    assert document["groups"]["new"]["iou"] == scores.value("new.iou")  # type: ignore[index,call-overload]


def test_asking_for_an_unknown_score_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"all\.miou"):
        scored(full_matrix()).value("all.miou")


def test_class_scores_accept_large_counts_without_overflow() -> None:
    scores: ClassScores = class_scores(np.array([[2**40, 2**40], [0, 2**41]]))

    assert scores.iou.tolist() == [0.5, 2 / 3]
