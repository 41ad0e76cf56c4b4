"""`steps-<split>.json`: the scores of a whole run, by step. See docs/metrics.md."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from saticl.labels import ScoredImages, ScoredLabels, Unlabelled, Unseen
from saticl.metrics.incremental import AgainstJoint, group_means, mean, over_steps, true_iou
from saticl.metrics.scores import is_partial
from saticl.runs.joint import compare
from saticl.runs.records import Number, Record, read_record, write_record
from saticl.runs.scores import ScoredSplit
from saticl.runs.tested import Tested
from saticl.tasks import Task

NAN = float("nan")


class ClassOverSteps(Record):
    """IoU of one output index after every step; NaN where it was not learned yet, or has no ground truth."""

    name: str
    iou: tuple[Number, ...]


class JointRecord(Record):
    """A joint run beside this one: its mean IoU over the classes of every step, and what learning in steps cost."""

    run: str
    miou_of_groups: tuple[Number, ...]
    miou_of_seen: tuple[Number, ...]
    intransigence: tuple[Number, ...]


class StepsRecord(Record):
    """All that the file holds."""

    format: Literal[1] = 1
    split: ScoredSplit
    unseen: Unseen
    unlabelled: Unlabelled | None = None
    """What pixels counted as where no class was drawn; None: it differs between the folders, or was not recorded."""
    images: ScoredImages = "all"
    steps: tuple[int, ...]
    """The steps that were scored: the columns."""
    groups: tuple[str, ...]
    """The classes of every step of the protocol, and "all": the rows of `miou`."""
    miou: tuple[tuple[Number, ...], ...]
    miou_with_background: tuple[Number, ...]
    classes: tuple[ClassOverSteps, ...]
    summary: dict[str, Number]
    """The numbers of a run's row in a table; empty where an earlier step is missing."""
    forgetting: tuple[Number, ...] | None
    """By group, without the last; None where an earlier step is missing."""
    joint: JointRecord | None
    restricted: tuple[tuple[Number, ...], ...] | None
    """As `miou` without its last row, of each step's classes among themselves; None: not asked for."""


def steps_path(run: Path, split: str) -> Path:
    """Where the record of a split lies."""
    return run / f"steps-{split}.json"


def write_steps(run: Path, record: StepsRecord) -> None:
    """Put the record beside the folders of the steps."""
    write_record(steps_path(run, record.split), record)


def read_steps(run: Path, split: str) -> StepsRecord:
    """The record of a run.

    Raises:
        InvalidRecord: there is none, or it cannot be read.
    """
    return read_record(steps_path(run, split), StepsRecord, f"run `test --task.step all --split {split}` on that run")


def is_whole(tested: Sequence[Tested]) -> bool:
    """Whether no earlier step is missing, so that there are averages over steps and forgetting."""
    return [one.step for one in tested] == list(range(len(tested)))


def summarize(
    tested: Sequence[Tested],
    split: ScoredSplit,
    labels: ScoredLabels,
    joint: Tested | None = None,
    restricted: bool = False,
) -> StepsRecord:
    """The record of steps in order, beside a joint run if there is one; that is left out where a step is missing.

    Raises:
        InvalidOptions: the joint run was scored on other pixels.
    """
    last = tested[-1]
    knows_background = not any(is_partial(one.matrix) for one in tested)
    iou = [true_iou(one.matrix) for one in tested]
    run = over_steps(iou, last.task.head_sizes, knows_background) if is_whole(tested) else None
    beside = compare(run, last, joint) if run is not None and joint is not None else None
    return StepsRecord(
        split=split,
        unseen=labels.unseen,
        unlabelled=labels.unlabelled,
        images=labels.images,
        steps=tuple(one.step for one in tested),
        groups=(*step_labels(last.task), "all"),
        miou=_groups_by_step(tested),
        miou_with_background=tuple(one.scores.value("all_with_background.iou") for one in tested),
        classes=_classes_by_step(tested),
        summary=(run.summary if run else {}) | (beside.summary if beside else {}),
        forgetting=None if run is None else tuple(run.forgetting.tolist()),
        joint=None if joint is None or beside is None else _joint_record(joint, beside),
        restricted=restricted_by_step(tested) if restricted else None,
    )


def further_columns(record: StepsRecord) -> dict[str, list[float]]:
    """Columns beside the steps: forgetting, and the joint run; filled up for steps to come and the row of all."""

    def filled(values: Sequence[float], last: float = NAN) -> list[float]:
        return [*values, *[NAN] * (len(record.groups) - 1 - len(values)), last]

    columns = {"forgetting": filled(record.forgetting)} if record.forgetting else {}
    if record.joint is None:
        return columns
    return {**columns, "joint": filled(record.joint.miou_of_groups, record.summary["joint"])}


def step_labels(task: Task) -> list[str]:
    """A name for the classes of every step of the protocol, or for its places where it brings no class."""
    order = task.protocol
    return [f"{step}: {', '.join(names or order.places[step])}" for step, names in enumerate(order.groups)]


def restricted_by_step(tested: Sequence[Tested]) -> tuple[tuple[float, ...], ...]:
    """Mean IoU of every step's classes (rows) among themselves after every step (columns)."""
    return tuple(
        tuple(mean(true_iou(one.restricted[group])) if group < len(one.restricted) else NAN for one in tested)
        for group in range(tested[-1].task.num_steps)
    )


def _groups_by_step(tested: Sequence[Tested]) -> tuple[tuple[float, ...], ...]:
    """Mean IoU of every step's classes and of all (rows) after every step (columns); NaN where not learned yet."""
    task = tested[-1].task
    sizes = task.at(task.num_steps - 1).head_sizes
    columns = [group_means(true_iou(one.matrix), sizes) for one in tested]
    return (*zip(*columns, strict=True), tuple(one.scores.value("all.iou") for one in tested))


def _classes_by_step(tested: Sequence[Tested]) -> tuple[ClassOverSteps, ...]:
    """IoU of every output index after every step, from which all numbers over steps can be derived again."""
    columns = [true_iou(one.matrix) for one in tested]
    return tuple(
        ClassOverSteps(
            name=name, iou=tuple(float(column[index]) if index < len(column) else NAN for column in columns)
        )
        for index, name in enumerate(tested[-1].task.names)
    )


def _joint_record(joint: Tested, beside: AgainstJoint) -> JointRecord:
    folder = joint.finished.folder
    return JointRecord(
        run=str(folder.parent),
        miou_of_groups=tuple(beside.by_step.tolist()),
        miou_of_seen=tuple(beside.all.tolist()),
        intransigence=tuple(beside.intransigence.tolist()),
    )
