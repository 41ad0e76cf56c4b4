"""A joint run beside an incremental one: found, checked, and compared class by class, by name."""

from collections.abc import Sequence
from pathlib import Path

from saticl.errors import InvalidOptions
from saticl.metrics.incremental import AgainstJoint, OverSteps, against_joint, true_iou
from saticl.runs.folder import Finished, find_steps
from saticl.runs.step import StepInfo
from saticl.runs.tested import Tested
from saticl.tasks import Task


def find_joint(run: Path, last: StepInfo) -> Finished:
    """The step of a joint run, checked against the last step of the run that it stands beside.

    Raises:
        InvalidOptions: it cannot be compared. InvalidCheckpoint: nothing finished there.
    """
    return find_joint_of(run, last.task.seen)


def find_joint_of(run: Path, seen: Sequence[str]) -> Finished:
    """The same for the classes that a run will have learned in the end.

    Raises:
        InvalidOptions, InvalidCheckpoint: as `find_joint`.
    """
    joint = find_steps(run, None)[-1]
    info = joint.info
    if len(info.groups) > 1:
        raise InvalidOptions(
            f"--joint {run} learned {info.dataset}/{info.protocol_name} in {len(info.groups)} steps, not all "
            "classes at once: name a run that was trained with --task.name offline."
        )
    missing = [name for name in seen if name not in indices_by_class(info.task)]
    if missing:
        raise InvalidOptions(f"--joint {run} did not learn {', '.join(missing)}: name another run.")
    return joint


def indices_by_class(task: Task) -> dict[str, int]:
    """Output index of every class of the dataset that a task knows; an artificial background is none of them."""
    indices = {name: index for index, name in enumerate(task.seen, start=1)}
    return indices if task.protocol.background is None else {task.protocol.background: 0, **indices}


def compare(run: OverSteps, last: Tested, joint: Tested) -> AgainstJoint:
    """The run against a joint one, classes matched by name.

    Raises:
        InvalidOptions: a class has another number of pixels there.
    """
    places = indices_by_class(joint.task)
    iou, support = true_iou(joint.matrix), joint.scores.classes.support
    for index, name in enumerate(last.task.seen, start=1):
        ours, theirs = int(last.scores.classes.support[index]), int(support[places[name]])
        if ours != theirs:
            raise InvalidOptions(
                f"--joint was scored on {theirs} pixels of {name}, the run on {ours}: compare runs on the same data "
                "with --split test, or train both with the same --val-size and --seed."
            )
    matched = [float("nan"), *(float(iou[places[name]]) for name in last.task.seen)]
    return against_joint(run, matched, last.task.head_sizes)
