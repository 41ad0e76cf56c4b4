"""The numbers of one run: what its steps cost, and the scores of its classes."""

import math
from pathlib import Path

import pytest

from saticl.errors import InvalidRecord
from saticl.runs.journal import Epoch
from saticl.runs.measured import class_scores, costs, measure, over_steps
from saticl.runs.steps import ClassOverSteps, StepsRecord, write_steps
from tests.trained import epoch, info, write_step

NAN = float("nan")


def record(**changes: object) -> StepsRecord:
    rows = {"background": (0.9, 0.8), "building": (0.5, 0.4), "tree": (0.3, NAN), "car": (NAN, 0.1)}
    facts: dict[str, object] = {
        "split": "test", "unseen": "background", "steps": (0, 1), "groups": ("all",), "miou": (),
        "miou_with_background": (), "classes": [ClassOverSteps(name=name, iou=iou) for name, iou in rows.items()],
        "summary": {"final": 0.25}, "forgetting": None, "joint": None, "restricted": None,
    }  # fmt: skip
    return StepsRecord.model_validate({**facts, **changes})


def test_time_is_that_of_later_steps_and_memory_that_of_the_worst() -> None:
    def spent(seconds: float, memory: float) -> Epoch:
        return epoch(seconds=seconds, memory=memory, iterations=10)

    first, later = [spent(1, 500)], [spent(9, 100), spent(2, 200), spent(3, 300)]

    assert costs([first, later]) == {"seconds_per_iteration": 0.3, "peak_memory_mb": 500, "train_seconds": 15}
    assert costs([first])["seconds_per_iteration"] == 0.1
    assert all(math.isnan(value) for value in costs([[spent(NAN, NAN)]]).values())


def test_a_class_is_scored_after_every_step_that_knows_it() -> None:
    scores = [(one.step, one.name, one.learned, one.iou) for one in class_scores(record(), info().groups)]

    assert [row[:3] for row in scores] == [
        (0, "background", None), (0, "building", 0), (0, "tree", 0),
        (1, "background", None), (1, "building", 0), (1, "tree", 0), (1, "car", 1),
    ]  # fmt: skip
    assert (scores[4][3], scores[6][3]) == (0.4, 0.1)
    assert math.isnan(scores[5][3])


def test_the_background_counts_while_there_is_one() -> None:
    assert over_steps((0.9, 0.6, NAN)) == pytest.approx(0.75)
    assert math.isnan(over_steps((NAN,)))


def test_a_run_in_numbers(tmp_path: Path) -> None:
    for step in range(2):
        write_step(tmp_path, info(step), (epoch(seconds=2.0 + step),))
    write_steps(tmp_path, record())

    found = measure(tmp_path, "test")

    assert found.numbers == {
        "final": 0.25, "background": pytest.approx(0.85), "seconds_per_iteration": 1.5, "peak_memory_mb": 100.0,
        "train_seconds": 5.0,
    }  # fmt: skip
    assert len(found.classes) == 7
    with pytest.raises(InvalidRecord, match="run `test"):
        measure(tmp_path, "val")
