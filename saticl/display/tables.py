"""Scores as tables for the terminal."""

import math
from collections.abc import Mapping, Sequence

from rich.table import Table

from saticl.metrics.scores import Scores
from saticl.tasks import Task


def percent(value: float) -> str:
    """A share in percent with one decimal; an absent class is a dash."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def score_table(scores: Scores, task: Task, title: str) -> Table:
    """Classes in learning order, then the means over old, new and all, with and without background.

    A class without ground truth has dashes, also where it was predicted: nothing says whether it is there.
    """
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("class")
    table.add_column("step", justify="right")
    for measure in ("IoU", "F1", "precision", "recall"):
        table.add_column(measure, justify="right")
    table.add_column("pixels", justify="right", style="dim")
    steps = [0] + [step for step in range(task.step + 1) for _ in task.protocol.groups[step]]
    classes = scores.classes
    for index, name in enumerate(scores.names):
        numbers = (classes.iou, classes.f1, classes.precision, classes.recall)
        table.add_row(
            name,
            "" if index == 0 else str(steps[index]),
            *(percent(float(column[index]) if classes.support[index] else math.nan) for column in numbers),
            f"{int(classes.support[index]):,}",
            end_section=index == len(scores.names) - 1,
            style="bold" if name in task.new else None,
        )
    for group, label in GROUP_LABELS.items():
        entry = scores.groups[group]
        if not math.isnan(entry.iou):
            table.add_row(label, "", percent(entry.iou), percent(entry.f1), "", "", "")
    table.add_row("overall accuracy", "", percent(scores.accuracy), "", "", "", "")
    return table


GROUP_LABELS = {
    "old": "old (before this step)",
    "new": "new (this step)",
    "base": "step 0",
    "added": "after step 0",
    "all": "all",
    "old_with_background": "old with background",
    "all_with_background": "all with background",
}


def matrix_table(
    labels: Sequence[str],
    steps: Sequence[int],
    matrix: Sequence[Sequence[float]],
    title: str,
    more: Mapping[str, Sequence[float]] | None = None,
) -> Table:
    """Class groups by steps, mean IoU in percent, and any further columns by name; a row named "all" stands out."""
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("classes of step", overflow="fold")
    further = more or {}
    for column in [*(f"after step {step}" for step in steps), *further]:
        table.add_column(column, justify="right")
    for index, (label, row) in enumerate(zip(labels, matrix, strict=True)):
        values = [*row, *(column[index] for column in further.values())]
        table.add_row(label, *map(percent, values), style="bold" if label == "all" else None)
    return table


def comparison_table(
    runs: Sequence[str], task: Task, classes: Mapping[str, Sequence[float]], means: Sequence[float], title: str
) -> Table:
    """Classes in learning order by runs, IoU in percent, a line between steps; their means below."""
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("class")
    table.add_column("step", justify="right")
    for run in runs:
        table.add_column(run, justify="right")
    for step, names in enumerate(task.protocol.groups[: task.step + 1]):
        for name in names:
            table.add_row(name, str(step), *map(percent, classes[name]), end_section=name == names[-1])
    table.add_row("all", "", *map(percent, means), style="bold")
    return table


SUMMARY_LABELS = {
    "final": "mIoU after the last step",
    "average": "average incremental mIoU",
    "base": "step 0",
    "added": "after step 0",
    "harmonic": "harmonic mean of these two",
    "forgetting": "forgetting",
    "backward_transfer": "backward transfer",
    "plasticity": "plasticity",
    "joint": "mIoU of the joint run",
    "intransigence": "intransigence",
    "gap": "gap to the joint run",
    "relative_gap": "gap, in % of the joint run",
    "share_of_joint": "mean share of the joint run",
}


def summary_table(summary: Mapping[str, float], title: str) -> Table:
    """The numbers of a whole run in percent, with the background where that makes another number."""
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("")
    table.add_column("%", justify="right")
    table.add_column("with background", justify="right")
    for name, label in SUMMARY_LABELS.items():
        if name in summary:
            other = summary.get(f"{name}_with_background")
            table.add_row(label, percent(summary[name]), "" if other is None else percent(other))
    return table
