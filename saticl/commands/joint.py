"""A joint run beside an incremental one: found, checked, and compared class by class, by name."""

from saticl.commands.runs import Finished, Tested, find_steps
from saticl.config import TestConfig
from saticl.engine.checkpoint import MODEL_FILE, StepInfo
from saticl.errors import InvalidOptions
from saticl.metrics.incremental import AgainstJoint, OverSteps, against_joint, true_iou
from saticl.tasks import Task


def covers_run(config: TestConfig) -> bool:
    """Whether all steps of a run are scored, and not those of one step's folder."""
    return config.task.step == "all" and not (config.run / MODEL_FILE).is_file()


def find_joint(config: TestConfig, last: StepInfo) -> Finished | None:
    """The joint run to compare with, if one was named, checked against the run's last step before anything is scored.

    Raises:
        InvalidOptions: it cannot be compared. InvalidCheckpoint: nothing finished there.
    """
    if config.joint is None:
        return None
    if not covers_run(config):
        raise InvalidOptions("--joint compares whole runs: give the folder of a run as --run, and --task.step all.")
    joint = find_steps(config.joint, None)[-1]
    info = joint.info
    if len(info.groups) > 1:
        raise InvalidOptions(
            f"--joint {config.joint} learned {info.dataset}/{info.protocol_name} in {len(info.groups)} steps, not all "
            "classes at once: name a run that was trained with --task.name offline."
        )
    if info.dataset != last.dataset:
        raise InvalidOptions(f"--joint {config.joint} was trained on {info.dataset}, not on {last.dataset} as --run.")
    missing = [name for name in last.task.seen if name not in indices_by_class(info.task)]
    if missing:
        raise InvalidOptions(f"--joint {config.joint} never learned {', '.join(missing)}: name another run.")
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


def joint_document(beside: AgainstJoint) -> dict[str, object]:
    """The joint run's part of the JSON document, by step."""
    return {"miou_of_groups": beside.by_step, "miou_of_seen": beside.all, "intransigence": beside.intransigence}
