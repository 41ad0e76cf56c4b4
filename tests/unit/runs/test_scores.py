"""Scores and counts of several splits share two files, and come back as they were."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from saticl.errors import InvalidRecord
from saticl.labels import ScoredLabels
from saticl.metrics.scores import Scores, score, score_groups
from saticl.runs.scores import read_confusion, read_scores, write_scores

MATRIX = np.array([[5, 1, 0], [2, 3, 0], [0, 0, 0]])


def scores() -> Scores:
    return score(MATRIX, ("background", "tree", "car"), score_groups((2, 1)))


def test_they_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_scores(tmp_path, "val", scores(), MATRIX, ScoredLabels("ignore", None, "seen"))

    read, counts = read_scores(tmp_path, "val"), read_confusion(tmp_path, "val")

    assert read.accuracy == scores().accuracy
    assert {name: tuple(row.model_dump().values()) for name, row in read.groups.items()} == {
        name: pytest.approx(tuple(row), nan_ok=True) for name, row in scores().groups.items()
    }
    assert [row.iou for row in read.classes] == pytest.approx(scores().classes.iou.tolist(), nan_ok=True)
    assert math.isnan(read.classes[2].iou)
    assert [row.support for row in read.classes] == MATRIX.sum(1).tolist()
    assert np.array_equal(counts.counts, MATRIX)
    assert counts.names == ("background", "tree", "car")
    assert read.unseen == counts.unseen == "ignore"
    assert (read.unlabelled, read.images) == (None, "seen")


def test_a_split_is_replaced_and_the_other_stays(tmp_path: Path) -> None:
    write_scores(tmp_path, "val", scores(), MATRIX)
    write_scores(tmp_path, "test", scores(), MATRIX)
    write_scores(tmp_path, "val", scores(), 2 * MATRIX)

    assert np.array_equal(read_confusion(tmp_path, "val").counts, 2 * MATRIX)
    assert np.array_equal(read_confusion(tmp_path, "test").counts, MATRIX)


def test_the_files_say_their_format_and_hold_only_the_splits_that_were_scored(tmp_path: Path) -> None:
    write_scores(tmp_path, "test", scores(), MATRIX)

    for name in ("scores.json", "confusion.json"):
        document = json.loads((tmp_path / name).read_text(), parse_constant=pytest.fail)
        assert document.keys() == {"format", "test"}
        assert document["format"] == 1


def test_what_is_missing_or_damaged_is_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecord, match=r"There is no .*scores.json: run `test` on that step again\."):
        read_scores(tmp_path, "val")
    write_scores(tmp_path, "test", scores(), MATRIX)
    with pytest.raises(InvalidRecord, match="nothing about the val tiles: run `test --split val`"):
        read_confusion(tmp_path, "val")
    for content in ("{", '{"format": 2}', '{"test": {}}', "[]"):
        (tmp_path / "scores.json").write_text(content)
        with pytest.raises(InvalidRecord, match=r"another version of saticl .*: delete it, and run `test`"):
            read_scores(tmp_path, "test")
        with pytest.raises(InvalidRecord, match="delete it, and run `test`"):
            write_scores(tmp_path, "test", scores(), MATRIX)
