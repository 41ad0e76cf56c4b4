"""What several steps say together: the record, the columns beside it, a joint run."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from saticl.errors import InvalidOptions, InvalidRecord
from saticl.labels import BY_DEFAULT, ScoredLabels
from saticl.metrics.incremental import over_steps, true_iou
from saticl.metrics.scores import score, score_groups
from saticl.runs import tested as outcome
from saticl.runs.folder import Finished
from saticl.runs.joint import find_joint
from saticl.runs.steps import further_columns, is_whole, read_steps, steps_path, summarize, write_steps
from tests.trained import info, write_run, write_step

FIRST = np.array([[9, 1, 0], [1, 8, 1], [0, 2, 6]])
SECOND = np.array([[9, 1, 0, 0], [1, 6, 1, 2], [0, 2, 5, 1], [0, 0, 1, 7]])
JOINT = {"protocol_name": "offline", "groups": (("car", "building", "tree"),)}


def result(step: int, matrix: np.ndarray, restricted: tuple[np.ndarray, ...] = (), **about: object) -> outcome.Tested:
    task = info(step, **about).task
    scores = score(matrix, task.names, score_groups(task.head_sizes))
    return outcome.Tested(Finished(Path("run", f"step-{step}"), info(step, **about)), scores, matrix, list(restricted))


def joint() -> outcome.Tested:
    """The classes in another order: car, building, tree; with the pixels of SECOND."""
    order = [0, 3, 1, 2]
    matrix = np.diag(SECOND.sum(1))[order][:, order] - np.diag([0, 1, 0, 0])
    matrix[1, 0] += 1
    return result(0, matrix, **JOINT)


def test_the_record_says_what_the_matrices_say(tmp_path: Path) -> None:
    record = summarize([result(0, FIRST), result(1, SECOND)], "test", ScoredLabels("ignore"))
    run = over_steps([true_iou(FIRST), true_iou(SECOND)], (3, 1))

    assert (record.split, record.unseen, record.steps) == ("test", "ignore", (0, 1))
    assert record.groups == ("0: building, tree", "1: car", "all")
    assert np.allclose(np.array(record.miou[:2]).T, run.by_step, equal_nan=True)
    assert record.miou[2] == pytest.approx(tuple(run.all))
    assert record.summary == run.summary
    assert record.forgetting == tuple(run.forgetting)
    assert [row.name for row in record.classes] == ["background", "building", "tree", "car"]
    assert record.classes[1].iou == (true_iou(FIRST)[1], true_iou(SECOND)[1])
    assert math.isnan(record.classes[3].iou[0])
    assert record.joint is record.restricted is None


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = summarize([result(0, FIRST), result(1, SECOND)], "val", BY_DEFAULT, joint())
    write_steps(tmp_path, record)

    text = steps_path(tmp_path, "val").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["format"] == 1
    assert str(read_steps(tmp_path, "val")) == str(record)  # NaN is not equal to itself


def test_a_record_that_is_missing_or_damaged_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecord, match=r"There is no .*: run `test --task.step all --split test` on that run\."):
        read_steps(tmp_path, "test")
    steps_path(tmp_path, "test").write_text('{"split": "test"}')
    with pytest.raises(InvalidRecord, match=r"another version of saticl .*: delete it, and run `test --task.step all"):
        read_steps(tmp_path, "test")


def test_where_an_earlier_step_is_missing_nothing_is_averaged_over_steps() -> None:
    record = summarize([result(1, SECOND)], "test", BY_DEFAULT, joint())

    assert not is_whole([result(1, SECOND)])
    assert (record.summary, record.forgetting, record.joint) == ({}, None, None)
    assert record.miou[0][0] == pytest.approx(np.mean(true_iou(SECOND)[1:3]))
    assert further_columns(record) == {}


def test_a_joint_run_is_compared_by_the_names_of_classes() -> None:
    record = summarize([result(0, FIRST), result(1, SECOND)], "test", BY_DEFAULT, joint())

    of_car = 7 / 8
    assert record.joint is not None
    assert record.joint.run == "run"
    assert record.joint.miou_of_groups == pytest.approx((1.0, of_car))
    assert record.summary["joint"] == pytest.approx((1 + 1 + of_car) / 3)
    columns = further_columns(record)
    assert [*columns] == ["forgetting", "joint"]
    assert columns["joint"] == pytest.approx([1.0, of_car, record.summary["joint"]])
    assert columns["forgetting"][0] == pytest.approx(record.miou[0][0] - record.miou[0][1])
    assert all(map(math.isnan, columns["forgetting"][1:]))


def test_a_joint_run_scored_on_other_pixels_is_refused() -> None:
    other = result(0, np.eye(4, dtype=int), **JOINT)

    with pytest.raises(InvalidOptions, match="1 pixels of building, the run on 10: compare runs on the same data"):
        summarize([result(0, FIRST), result(1, SECOND)], "test", BY_DEFAULT, other)


def test_classes_among_themselves_are_by_group_and_step() -> None:
    first, second = np.array([[8, 0], [0, 6]]), np.array([[3, 1], [1, 3]])
    steps = [result(0, FIRST, (first,)), result(1, SECOND, (second, np.array([[7]])))]

    record = summarize(steps, "test", BY_DEFAULT, restricted=True)

    assert record.restricted is not None
    assert record.restricted[0] == pytest.approx((1.0, 0.6))
    assert math.isnan(record.restricted[1][0])
    assert record.restricted[1][1] == 1.0


def test_a_joint_run_is_found_and_checked_before_anything_is_scored(tmp_path: Path) -> None:
    last = info(1)
    folder = write_step(tmp_path / "joint", info(0, **JOINT))

    assert find_joint(tmp_path / "joint", last).folder == folder
    with pytest.raises(InvalidOptions, match="in 2 steps, not all classes at once"):
        find_joint(write_run(tmp_path / "steps"), last)
    assert find_joint(tmp_path / "joint", info(1, dataset="village")).folder == folder
    write_step(tmp_path / "fewer", info(0, groups=(("building",),)))
    with pytest.raises(InvalidOptions, match="did not learn tree, car"):
        find_joint(tmp_path / "fewer", last)


def test_a_class_of_the_run_may_be_the_background_of_the_joint_one(tmp_path: Path) -> None:
    write_step(tmp_path, info(0, groups=(("building", "tree"),), background="car"))

    assert find_joint(tmp_path, info(1)).info.background == "car"
