"""Every score of a step, from its confusion matrix. Pure NumPy.

Which classes enter a mean is where published tables differ, so it is said here once:

- *Classes without ground truth.* MiB, PLOP and their descendants average over the classes that have at least one pixel
  of ground truth; SSUL and MicroSeg average over every class that occurs in truth or prediction (`nanmean`), where a
  class that is predicted but never true counts 0. Here means follow MiB and PLOP: a class without ground truth is
  skipped. Its row still says IoU 0 if it was predicted, and NaN if it occurs in neither.
- *Background.* MiB leaves it out of `old` and `all`; PLOP and most later papers leave it in. Both are given: `old`,
  `base`, `all` without, `old_with_background`, `base_with_background`, `all_with_background` with.
- *Old.* Tables of protocols with many steps call the classes of step 0 old and everything later new: `base` and
  `added`. Against the previous step it is `old` (seen before) and `new` (first seen now). Both are given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saticl.files import Json, to_json
from saticl.labels import BACKGROUND

MEASURES = ("iou", "f1", "f1_micro")
"""What is known of a group of classes: mean IoU, macro F1, micro F1."""


class ClassScores(NamedTuple):
    """Scores by output index, float64 [K]: NaN for a class that occurs neither in truth nor in prediction.

    Elsewhere a ratio without a denominator is 0: precision of a class never predicted, recall of one never true.
    """

    iou: NDArray[np.float64]
    f1: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    support: NDArray[np.int64]
    """Pixels of ground truth."""


class GroupScores(NamedTuple):
    """Scores of a group of classes; the means are NaN where no class of the group has ground truth."""

    iou: float
    """Mean over the group's classes with ground truth."""
    f1: float
    """Macro F1: mean over the same classes."""
    f1_micro: float
    """F1 of all pixels of the group counted together; over all classes, where all are labelled, it is the accuracy."""


UNKNOWN = GroupScores(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Scores:
    """What a step scored: a row per class, a row per group, and the share of pixels that are right."""

    names: tuple[str, ...]
    classes: ClassScores
    groups: Mapping[str, GroupScores]
    accuracy: float
    """Overall accuracy: the share of pixels with ground truth that are right, background included."""

    def value(self, name: str) -> float:
        """One number by name: `accuracy`, or a group and a measure such as `all.iou`, `new.f1`, `old.f1_micro`.

        Raises KeyError for other names.
        """
        return self.values()[name]

    def values(self) -> dict[str, float]:
        """All numbers that are not of a single class, under the names that `value` knows."""
        groups = {
            f"{group}.{measure}": float(number)
            for group, scores in self.groups.items()
            for measure, number in zip(MEASURES, scores, strict=True)
        }
        return {"accuracy": self.accuracy, **groups}

    def to_dict(self) -> dict[str, Json]:
        """Ready for JSON, NaN as None: `accuracy`, `groups` by name, `classes` as one row per output index."""
        rows = [
            {"name": name, **dict(zip(ClassScores._fields, row, strict=True))}
            for name, *row in zip(self.names, *self.classes, strict=True)
        ]
        groups = {name: scores._asdict() for name, scores in self.groups.items()}
        return {"accuracy": to_json(self.accuracy), "groups": to_json(groups), "classes": to_json(rows)}


def class_scores(matrix: ArrayLike) -> ClassScores:
    """IoU, F1, precision and recall of every class of a confusion matrix [K, K], rows truth, or [K + 1, K].

    What the further row of `metrics/labelled.py` holds was predicted wrongly and is the truth of no class.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    hits, support, predicted = counts.diagonal(), _true(counts).sum(axis=1), counts.sum(axis=0)
    union = support + predicted - hits
    occurs = union > 0

    def ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
        shares = part / np.maximum(whole, 1)  # whole is 0 only where part is
        return np.where(occurs, shares, np.nan)

    return ClassScores(
        iou=ratio(hits, union),
        f1=ratio(2 * hits, support + predicted),
        precision=ratio(hits, predicted),
        recall=ratio(hits, support),
        support=support,
    )


def score(matrix: ArrayLike, names: Sequence[str], groups: Mapping[str, Sequence[int]]) -> Scores:
    """Score a confusion matrix [K, K] or [K + 1, K], rows truth.

    With the further row of `metrics/labelled.py` it is not known where the background is: its group, and those with
    it, are then NaN.

    Args:
        matrix: pixel counts by truth and prediction.
        names: the class of each output index.
        groups: output indices by group, as of `score_groups`; a group may be empty, its scores are then NaN.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    classes, unknown = class_scores(counts), BACKGROUND if is_partial(counts) else None
    return Scores(
        names=tuple(names),
        classes=classes,
        groups={
            name: UNKNOWN if unknown in indices else _group_scores(counts, classes, indices)
            for name, indices in groups.items()
        },
        accuracy=_share(int(counts.trace()), int(_true(counts).sum())),
    )


def is_partial(matrix: ArrayLike) -> bool:
    """Whether counts have the further row of `metrics/labelled.py`: of some pixels only is known what they are not."""
    counts = np.asarray(matrix)
    return bool(len(counts) > counts.shape[1])


def score_groups(head_sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The groups of output indices whose means are reported, from the rows of each step's head.

    `head_sizes` counts the output indices that each step so far has added, background included in the first:
    (1 + |K0|, |K1|, ...). At step 0 nothing was seen before: `old` and `added` are empty, `new` equals `base`.
    """
    total, first = sum(head_sizes), head_sizes[0]
    before = total - head_sizes[-1]  # 0 at step 0, where not even the background is old
    foreground = {
        "old": tuple(range(1, before)),
        "new": tuple(range(max(before, 1), total)),
        "base": tuple(range(1, first)),
        "added": tuple(range(first, total)),
        "all": tuple(range(1, total)),
    }
    return {
        "background": (0,),
        **foreground,
        "old_with_background": tuple(range(before)),
        "base_with_background": tuple(range(first)),
        "all_with_background": tuple(range(total)),
    }


def _group_scores(counts: NDArray[np.int64], classes: ClassScores, group: Sequence[int]) -> GroupScores:
    indices = np.asarray(group, dtype=np.intp)
    true = indices[classes.support[indices] > 0]
    hits = int(counts.diagonal()[indices].sum())
    either = int(counts[indices].sum() + counts[:, indices].sum())
    return GroupScores(_mean(classes.iou[true]), _mean(classes.f1[true]), _share(2 * hits, either))


def _true(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows that are the truth of a class."""
    return counts[: counts.shape[1]]


def _mean(values: NDArray[np.float64]) -> float:
    """Their mean, NaN when there are none (NumPy would warn)."""
    return float(values.mean()) if len(values) else float("nan")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
