"""The numbers of one finished run, as a table of several runs needs them: scores, time and memory."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from saticl.runs.folder import JOURNAL_FILE, find_steps
from saticl.runs.journal import Epoch, Journal
from saticl.runs.steps import StepsRecord, read_steps

COSTS = ("seconds_per_iteration", "peak_memory_mb", "train_seconds")
"""What a run cost; all its other numbers are scores, shares from 0 to 1, and percent where they are shown."""


@dataclass(frozen=True)
class ClassScore:
    """IoU of a class after a step; NaN where it has no ground truth."""

    step: int
    name: str
    learned: int | None
    """The step that learned it; None: the background, whose meaning changes with every step."""
    iou: float


@dataclass(frozen=True)
class Measured:
    """A finished run in numbers."""

    numbers: dict[str, float]
    """The `summary` of docs/metrics.md, `background` (its mean IoU over steps) and COSTS; NaN: not known."""
    classes: tuple[ClassScore, ...]


def measure(run: Path, split: str) -> Measured:
    """Read what `train` and `test` have left of a run.

    Raises:
        InvalidRecord, InvalidCheckpoint: a file is missing or damaged.
    """
    record, steps = read_steps(run, split), find_steps(run, "all")
    epochs = [Journal(step.folder / JOURNAL_FILE).epochs() for step in steps]
    background = {"background": over_steps(record.classes[0].iou)} if record.classes else {}
    numbers = {**record.summary, **background, **costs(epochs)}
    return Measured(numbers, tuple(class_scores(record, steps[-1].info.groups)))


def over_steps(scores: Sequence[float]) -> float:
    """Mean over the steps that have ground truth: where all classes are learned, there may be no background left."""
    known = _known(scores)
    return statistics.fmean(known) if known else math.nan


def class_scores(record: StepsRecord, groups: Sequence[Sequence[str]]) -> Iterable[ClassScore]:
    """Every class after every step that knows it."""
    learned = {name: step for step, names in enumerate(groups) for name in names}
    for column, step in enumerate(record.steps):
        for row in record.classes:
            if learned.get(row.name, 0) <= step:
                yield ClassScore(step, row.name, learned.get(row.name), row.iou[column])


def costs(steps: Sequence[Sequence[Epoch]]) -> dict[str, float]:
    """Median seconds per iteration over the epochs of later steps, the most memory of any epoch, and all seconds.

    Methods differ after step 0 only, so the pace of step 0 counts only where there is no later step.
    """
    paces = _known(epoch.costs.seconds / epoch.costs.iterations for step in (steps[1:] or steps) for epoch in step)
    every = [epoch.costs for step in steps for epoch in step]
    seconds = _known(cost.seconds for cost in every)
    return {
        "seconds_per_iteration": statistics.median(paces) if paces else math.nan,
        "peak_memory_mb": max(_known(cost.peak_memory_mb for cost in every), default=math.nan),
        "train_seconds": sum(seconds) if seconds else math.nan,
    }


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]
