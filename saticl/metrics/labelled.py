"""Counts of folders that do not label every class: what can be right or wrong there, and what is not known.

A folder with labels of `road` alone says of every other pixel that it shows no road, and nothing else: a building that
the model sees there is neither right nor wrong. Pure NumPy.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saticl.labels import BACKGROUND, IGNORE

Bytes = NDArray[np.uint8]

Counts = NDArray[np.int64]
"""Pixels by truth (rows) and prediction (columns), [K, K]; or [K + 1, K], where the last row holds wrong predictions
on pixels of which it is only known what they do not show."""


def where_labelled(matrix: NDArray[Any], labelled: Sequence[int]) -> Counts:
    """Keep what a folder can judge that has labels of these output indices.

    Args:
        matrix: [K, K] of that folder, where pixels of all classes without a label are background.
        labelled: output indices of the classes that it labels, without the background.

    Returns:
        The matrix as it is where all classes are labelled. Else [K + 1, K]: pixels of the background are wrong where a
        labelled class was predicted, which the last row holds, and left out elsewhere, because they may show
        anything that has no label.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    num_classes = len(counts)
    if set(labelled) >= set(range(1, num_classes)):
        return counts
    wrong = np.zeros((1, num_classes), np.int64)
    wrong[0, list(labelled)] = counts[BACKGROUND, list(labelled)]
    judged = counts.copy()
    judged[BACKGROUND] = 0
    return np.concatenate([judged, wrong])


def judged(truth: NDArray[np.uint8], predicted: NDArray[np.uint8], labelled: Sequence[int], num_classes: int) -> Bytes:
    """The truth [H, W] with IGNORE where `where_labelled` leaves a pixel out: for pictures of what is wrong."""
    if set(labelled) >= set(range(1, num_classes)):
        return truth
    unknown = (truth == BACKGROUND) & ~np.isin(predicted, list(labelled))
    return np.where(unknown, np.uint8(IGNORE), truth)


def add_counts(matrices: Sequence[Counts]) -> Counts:
    """The counts of all folders together; those that label all classes have one row less."""
    num_rows = max(len(matrix) for matrix in matrices)
    filled = [np.pad(matrix, ((0, num_rows - len(matrix)), (0, 0))) for matrix in matrices]
    total: Counts = np.stack(filled).sum(axis=0)
    return total
