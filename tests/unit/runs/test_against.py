"""Another run beside this one: read from its record, refused where it learned something else."""

import math
from pathlib import Path

import pytest

from saticl.errors import InvalidOptions, InvalidRecord
from saticl.runs.against import class_by_class, last_means, read_against
from saticl.runs.steps import ClassOverSteps, StepsRecord, write_steps
from tests.trained import info

NAN = math.nan


def record(last: dict[str, float], mean: float = 0.5, step: int = 1) -> StepsRecord:
    """A run that was scored after one step; what it was worth before is unknown."""
    classes = tuple(ClassOverSteps(name=name, iou=(NAN, value)) for name, value in last.items())
    return StepsRecord(
        split="test",
        unseen="background",
        steps=(0, step),
        groups=("0: building, tree", "1: car", "all"),
        miou=((NAN, NAN), (NAN, NAN), (NAN, mean)),
        miou_with_background=(NAN, NAN),
        classes=classes,
        summary={},
        forgetting=None,
        joint=None,
        restricted=None,
    )


def test_classes_stand_beside_each_other_without_the_background_after_the_last_step() -> None:
    runs = {
        "mine": record({"background": 0.9, "building": 0.4, "tree": 0.3, "car": 0.2}, 0.3),
        "theirs": record({"background": 0.8, "building": 0.0, "tree": 0.1, "car": 0.6}, 0.23),
    }

    assert class_by_class(runs) == {"building": (0.4, 0.0), "tree": (0.3, 0.1), "car": (0.2, 0.6)}
    assert last_means(runs) == (0.3, 0.23)


def test_the_record_of_a_run_of_the_same_task_is_read(tmp_path: Path) -> None:
    write_steps(tmp_path, record({"background": 0.9, "building": 0.4, "tree": 0.3, "car": 0.2}))

    assert read_against(tmp_path, "test", info(1)).classes[3].iou[-1] == 0.2


def test_a_run_that_was_not_scored_is_refused_with_the_command_that_scores_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecord, match=r"run `test --task.step all --split test` on that run\."):
        read_against(tmp_path, "test", info(1))


@pytest.mark.parametrize(
    ("classes", "step"),
    [
        ({"background": 0.9, "building": 0.4, "car": 0.2, "tree": 0.3}, 1),
        ({"background": 0.9, "building": 0.4, "tree": 0.3}, 1),
        ({"background": 0.9, "building": 0.4, "tree": 0.3, "car": 0.2}, 2),
    ],
)
def test_a_run_of_other_classes_or_steps_is_refused(classes: dict[str, float], step: int, tmp_path: Path) -> None:
    write_steps(tmp_path, record(classes, step=step))

    with pytest.raises(
        InvalidOptions, match="building, tree, car up to step 1: name a run of the same task"
    ) as raised:
        read_against(tmp_path, "test", info(1))
    assert f"{', '.join(list(classes)[1:])} up to step {step}, " in str(raised.value)
