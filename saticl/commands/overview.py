"""What `test` says of a whole run: class groups by steps, the numbers of its row in a table, a joint run beside it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saticl.commands.joint import compare, joint_document
from saticl.commands.runs import Tested
from saticl.config import TestConfig
from saticl.display.console import console
from saticl.display.figures import steps_figure
from saticl.display.tables import matrix_table, summary_table
from saticl.files import write_json
from saticl.metrics.incremental import AgainstJoint, OverSteps, group_means, mean, over_steps, true_iou
from saticl.tasks import Task

NAN = float("nan")


def write_overview(config: TestConfig, tested: Sequence[Tested], joint: Tested | None) -> None:
    """Print and write what all finished steps say together, beside the folders of the steps.

    Raises:
        InvalidOptions: the joint run was scored on other pixels.
    """
    task, numbers = tested[-1].task, [one.step for one in tested]
    whole = numbers == list(range(len(numbers)))
    run = over_steps([true_iou(one.matrix) for one in tested], task.head_sizes) if whole else None
    beside = compare(run, tested[-1], joint) if run is not None and joint is not None else None
    labels, matrix = groups_by_step(tested)
    title = f"mean IoU over the classes of each step, {config.split} tiles"
    console.print(matrix_table(labels, numbers, matrix, title, further_columns(task, run, beside)))
    summary = (run.summary if run else {}) | (beside.summary if beside else {})
    if summary:
        console.print(summary_table(summary, f"the whole run, {config.split} tiles"))
    else:
        console.print("Earlier steps are missing: no averages over steps, no forgetting.")
    folder = tested[0].finished.folder.parent
    document = {
        "split": config.split,
        "unseen": config.task.unseen,
        "steps": numbers,
        "groups": labels,
        "miou": matrix,
        "miou_with_background": [one.scores.value("all_with_background.iou") for one in tested],
        "classes": classes_by_step(tested),
        "summary": summary,
        "forgetting": None if run is None else run.forgetting,
        "joint": None if beside is None else {"run": config.joint, **joint_document(beside)},
        "restricted": restricted_by_step(tested) if config.restricted else None,
    }
    write_json(folder / f"steps-{config.split}.json", document)
    steps_figure(matrix, labels, [f"step {step}" for step in numbers], folder / f"steps-{config.split}.png")
    console.print(f"[dim]{folder}[/]")


def groups_by_step(tested: Sequence[Tested]) -> tuple[list[str], list[list[float]]]:
    """Mean IoU of every step's classes and of all (rows) after every step (columns); NaN where not learned yet."""
    task = tested[-1].task
    sizes = task.at(task.num_steps - 1).head_sizes
    columns = [group_means(true_iou(one.matrix), sizes) for one in tested]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return [*step_labels(task), "all"], [*rows, [one.scores.value("all.iou") for one in tested]]


def restricted_by_step(tested: Sequence[Tested]) -> list[list[float]]:
    """As `groups_by_step` without the last row, from the matrices of each step's classes among themselves."""
    task = tested[-1].task
    return [
        [mean(true_iou(one.restricted[group])) if group < len(one.restricted) else NAN for one in tested]
        for group in range(task.num_steps)
    ]


def show_restricted(tested: Sequence[Tested]) -> None:
    """Print how well each step's classes are told from one another."""
    title = "mean IoU of each step's classes among themselves (other truth left out, other outputs ignored)"
    labels = step_labels(tested[-1].task)
    console.print(matrix_table(labels, [one.step for one in tested], restricted_by_step(tested), title))


def step_labels(task: Task) -> list[str]:
    """A name for the classes of every step of the protocol."""
    return [f"{step}: {', '.join(names)}" for step, names in enumerate(task.protocol.groups)]


def classes_by_step(tested: Sequence[Tested]) -> list[dict[str, object]]:
    """IoU of every output index after every step, from which all numbers over steps can be derived again."""
    columns = [true_iou(one.matrix) for one in tested]
    return [
        {"name": name, "iou": [column[index] if index < len(column) else NAN for column in columns]}
        for index, name in enumerate(tested[-1].task.names)
    ]


def further_columns(task: Task, run: OverSteps | None, beside: AgainstJoint | None) -> dict[str, list[float]]:
    """Columns beside the steps: forgetting, and the joint run; filled up for steps to come and the row of all."""

    def filled(values: NDArray[np.float64], last: float = NAN) -> list[float]:
        return [*values, *[NAN] * (task.num_steps - len(values)), last]

    columns = {} if run is None or len(run.forgetting) == 0 else {"forgetting": filled(run.forgetting)}
    return columns if beside is None else {**columns, "joint": filled(beside.by_step, beside.summary["joint"])}
