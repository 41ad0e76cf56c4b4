"""Scores as tables for the terminal."""

import math
from collections.abc import Sequence

from rich.table import Table

from saticl.metrics.scores import Scores
from saticl.tasks import Task


def percent(value: float) -> str:
    """A share in percent with one decimal; an absent class is a dash."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def score_table(scores: Scores, task: Task, title: str) -> Table:
    """Classes in learning order, then the means over old, new and all, with and without background."""
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
            *(percent(float(column[index])) for column in numbers),
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


def groups_by_step(rows: Sequence[tuple[int, Scores]], task: Task) -> tuple[list[str], list[list[float]]]:
    """Mean IoU of every step's classes (rows) after every scored step (columns); NaN where not learned yet."""
    sizes = task.at(task.num_steps - 1).head_sizes
    starts = [sum(sizes[:step]) for step in range(len(sizes))]
    labels, matrix = [], []
    for step, names in enumerate(task.protocol.groups):
        labels.append(f"{step}: {', '.join(names)}")
        matrix.append(
            [_mean_iou(scores, range(max(1, starts[step]), starts[step] + sizes[step])) for _, scores in rows]
        )
    labels.append("all")
    matrix.append([scores.value("all.iou") for _, scores in rows])
    return labels, matrix


def _mean_iou(scores: Scores, indices: range) -> float:
    known = [index for index in indices if index < len(scores.names) and scores.classes.support[index] > 0]
    return sum(float(scores.classes.iou[index]) for index in known) / len(known) if known else float("nan")


def matrix_table(labels: Sequence[str], steps: Sequence[int], matrix: Sequence[Sequence[float]], title: str) -> Table:
    """Class groups by steps, mean IoU in percent."""
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("classes of step")
    for step in steps:
        table.add_column(f"after step {step}", justify="right")
    for label, row in zip(labels, matrix, strict=True):
        table.add_row(label, *(percent(value) for value in row), style="bold" if label == "all" else None)
    return table
