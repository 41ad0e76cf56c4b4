"""`scores.json` and `confusion.json`: what a step scored on each split, and the counts that it follows from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from saticl.errors import InvalidRecord
from saticl.files import write_json
from saticl.labels import BY_DEFAULT, ScoredImages, ScoredLabels, Unlabelled, Unseen
from saticl.metrics.scores import Scores
from saticl.runs.records import Number, Record, read_record

SCORES_FILE, CONFUSION_FILE = "scores.json", "confusion.json"

ScoredSplit = Literal["val", "test"]


class ClassRow(Record):
    """Scores of one class; NaN where it occurs neither in truth nor in prediction."""

    name: str
    iou: Number
    f1: Number
    precision: Number
    recall: Number
    support: int
    """Pixels of ground truth."""


class GroupRow(Record):
    """Scores of a group of classes, see docs/metrics.md."""

    iou: Number
    f1: Number
    f1_micro: Number


class SplitScores(Record):
    """Scores on one split; `classes` by output index."""

    unseen: Unseen
    """What pixels of classes not learned yet counted as."""
    unlabelled: Unlabelled | None = None
    """What pixels counted as where no class was drawn; None: it differs between the folders, or was not recorded."""
    images: ScoredImages = "all"
    """Which tiles were scored."""
    data: tuple[str, ...] = ()
    """The prepared folders that were scored together; empty: that of the run."""
    accuracy: Number
    groups: dict[str, GroupRow]
    classes: tuple[ClassRow, ...]


class SplitConfusion(Record):
    """Pixel counts on one split, rows truth, by output index; a further row as of `metrics/labelled.py`."""

    unseen: Unseen
    names: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]

    @property
    def counts(self) -> NDArray[np.int64]:
        """As an array [K, K], or [K + 1, K]."""
        return np.array(self.matrix, dtype=np.int64)


class ScoresFile(Record):
    """All that `scores.json` holds."""

    format: Literal[1] = 1
    val: SplitScores | None = None
    test: SplitScores | None = None


class ConfusionFile(Record):
    """All that `confusion.json` holds."""

    format: Literal[1] = 1
    val: SplitConfusion | None = None
    test: SplitConfusion | None = None


File = TypeVar("File", ScoresFile, ConfusionFile)
AGAIN = "run `test` on that step again"


def write_scores(
    folder: Path,
    split: ScoredSplit,
    scores: Scores,
    matrix: NDArray[np.int64],
    labels: ScoredLabels = BY_DEFAULT,
    data: Sequence[str] = (),
) -> None:
    """Put the scores of one split and its matrix (rows truth) into the two files; other splits stay.

    Raises:
        InvalidRecord: a file is there and cannot be read.
    """
    new = SplitScores.model_validate({**labels._asdict(), "data": data, **scores.to_dict()})
    counts = SplitConfusion(unseen=labels.unseen, names=scores.names, matrix=tuple(map(tuple, matrix.tolist())))
    _put(folder / SCORES_FILE, ScoresFile, split, new)
    _put(folder / CONFUSION_FILE, ConfusionFile, split, counts)


def read_scores_file(folder: Path) -> ScoresFile:
    """Scores of a step on all splits that it was scored on.

    Raises:
        InvalidRecord: there are none, or they cannot be read.
    """
    return read_record(folder / SCORES_FILE, ScoresFile, AGAIN)


def read_scores(folder: Path, split: ScoredSplit) -> SplitScores:
    """Scores of a step on a split.

    Raises:
        InvalidRecord: there are none, or they cannot be read.
    """
    file = read_scores_file(folder)
    return _known(file.val if split == "val" else file.test, folder / SCORES_FILE, split)


def read_confusion(folder: Path, split: ScoredSplit) -> SplitConfusion:
    """Counts of a step on a split.

    Raises:
        InvalidRecord: there are none, or they cannot be read.
    """
    path = folder / CONFUSION_FILE
    file = read_record(path, ConfusionFile, AGAIN)
    return _known(file.val if split == "val" else file.test, path, split)


Part = TypeVar("Part", SplitScores, SplitConfusion)


def _known(part: Part | None, path: Path, split: ScoredSplit) -> Part:
    if part is None:
        raise InvalidRecord(f"{path} has nothing about the {split} tiles: run `test --split {split}` on that step.")
    return part


def _put(path: Path, kind: type[File], split: ScoredSplit, part: SplitScores | SplitConfusion) -> None:
    before = read_record(path, kind, AGAIN) if path.is_file() else kind()
    after = before.model_copy(update={split: part})
    known = {name: value for name, value in after.model_dump().items() if value is not None}
    write_json(path, known)
