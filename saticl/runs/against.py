"""Another run beside this one: its scores, read from its record, and both class by class."""

from collections.abc import Mapping
from pathlib import Path

from saticl.errors import InvalidOptions
from saticl.runs.step import StepInfo
from saticl.runs.steps import StepsRecord, read_steps


def read_against(run: Path, split: str, last: StepInfo) -> StepsRecord:
    """The record of a run, checked against the last step of the run that it stands beside.

    Raises:
        InvalidRecord: that run was not scored yet. InvalidOptions: it learned other classes, or in another order.
    """
    record = read_steps(run, split)
    theirs = tuple(row.name for row in record.classes)
    if theirs != last.task.names or record.steps[-1] != last.step:
        raise InvalidOptions(
            f"--against {run} learned {', '.join(theirs[1:])} up to step {record.steps[-1]}, and --run "
            f"{', '.join(last.task.seen)} up to step {last.step}: name a run of the same task and the same steps."
        )
    return record


def class_by_class(runs: Mapping[str, StepsRecord]) -> dict[str, tuple[float, ...]]:
    """IoU after the last step of every class but the background, by name; a number per run, NaN without truth."""
    first = next(iter(runs.values()))
    return {
        row.name: tuple(record.classes[index].iou[-1] for record in runs.values())
        for index, row in enumerate(first.classes)
        if index > 0
    }


def last_means(runs: Mapping[str, StepsRecord]) -> tuple[float, ...]:
    """Mean IoU over all these classes after the last step, a number per run."""
    return tuple(record.miou[-1][-1] for record in runs.values())
