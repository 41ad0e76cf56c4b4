"""Folders that do not label every class: what they can judge, and nothing else, is counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from saticl.labels import IGNORE
from saticl.metrics.labelled import add_counts, judged, where_labelled
from saticl.metrics.scores import class_scores, score, score_groups

NUM_CLASSES = 4
MATRIX = np.array([[50, 3, 4, 5], [1, 10, 2, 3], [0, 0, 0, 0], [6, 7, 8, 20]])
"""Of a folder that labels the classes 1 and 3; whatever else its pixels show is background."""


def test_only_predictions_of_labelled_classes_are_wrong_on_unlabelled_pixels() -> None:
    counts = where_labelled(MATRIX, (1, 3))

    assert counts.tolist() == [[0, 0, 0, 0], *MATRIX[1:].tolist(), [0, 3, 0, 5]]
    scores = class_scores(counts)
    assert scores.support.tolist() == [0, 16, 0, 41]
    assert scores.iou[1] == 10 / (16 + 7 + 3)
    assert scores.precision[3] == 20 / (20 + 3 + 5)
    assert scores.recall[3] == 20 / 41


def test_a_folder_that_labels_all_classes_counts_as_it_is() -> None:
    np.testing.assert_array_equal(where_labelled(MATRIX, (3, 1, 2)), MATRIX)


def test_accuracy_is_over_pixels_whose_class_is_known() -> None:
    scores = score(where_labelled(MATRIX, (1, 3)), ("background", "a", "b", "c"), score_groups((2, 2)))

    assert scores.accuracy == 30 / 57
    assert scores.value("all.iou") == pytest.approx((10 / 26 + 20 / 49) / 2)


def test_folders_add_up_whether_they_label_all_classes_or_not() -> None:
    whole, part = np.arange(16).reshape(4, 4), where_labelled(MATRIX, (1, 3))

    np.testing.assert_array_equal(add_counts([whole, whole]), 2 * whole)
    for order in ([whole, part], [part, whole]):
        together = add_counts(order)
        np.testing.assert_array_equal(together[:4], whole + part[:4])
        assert together[4].tolist() == [0, 3, 0, 5]


def confusion(truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> NDArray[np.int64]:
    counts = np.zeros((NUM_CLASSES, NUM_CLASSES), np.int64)
    for true, said in zip(truth.ravel(), predicted.ravel(), strict=True):
        if true != IGNORE:
            counts[true, said] += 1
    return counts


@given(st.sets(st.integers(1, NUM_CLASSES - 1)), st.integers(0, 2**32 - 1))
def test_pictures_ignore_what_the_counts_leave_out(labelled: set[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, IGNORE, *labelled], (6, 7)).astype(np.uint8)
    predicted = rng.integers(0, NUM_CLASSES, (6, 7)).astype(np.uint8)

    counts = where_labelled(confusion(truth, predicted), sorted(labelled))
    shown = confusion(judged(truth, predicted, sorted(labelled), NUM_CLASSES), predicted)

    if len(labelled) == NUM_CLASSES - 1:
        np.testing.assert_array_equal(counts, shown)
    else:
        np.testing.assert_array_equal(counts[1:NUM_CLASSES], shown[1:])
        np.testing.assert_array_equal(counts[NUM_CLASSES], shown[0])


def test_what_includes_a_background_of_which_little_is_known_is_not_a_number() -> None:
    groups = score_groups((2, 2))

    partial = score(where_labelled(MATRIX, (1, 3)), ("background", "a", "b", "c"), groups).values()
    whole = score(MATRIX, ("background", "a", "b", "c"), groups).values()

    unknown = {name for name, value in partial.items() if np.isnan(value)}
    assert {name.split(".")[0] for name in unknown} == {
        "background", "old_with_background", "base_with_background", "all_with_background"
    }  # fmt: skip
    assert not any(np.isnan(value) for value in whole.values())
