"""What `test` says of a whole run: class groups by steps, the numbers of its row in a table, a joint run beside it."""

from collections.abc import Mapping, Sequence

from saticl.config import TestConfig
from saticl.display.console import console
from saticl.display.figures import steps_figure
from saticl.display.tables import comparison_table, matrix_table, summary_table
from saticl.labels import ScoredLabels
from saticl.runs.against import class_by_class, last_means
from saticl.runs.steps import (
    StepsRecord,
    further_columns,
    restricted_by_step,
    step_labels,
    summarize,
    write_steps,
)
from saticl.runs.tested import Tested
from saticl.tasks import Task


def write_overview(
    config: TestConfig,
    tested: Sequence[Tested],
    labels: ScoredLabels,
    joint: Tested | None,
    other: StepsRecord | None = None,
) -> None:
    """Print and write what all finished steps say together, beside the folders of the steps.

    At the end come the classes beside those of another run, where there is one.

    Raises:
        InvalidOptions: the joint run was scored on other pixels.
    """
    record = summarize(tested, config.split, labels, joint, config.restricted)
    title = f"mean IoU over the classes of each step, {record.split} tiles"
    console.print(matrix_table(record.groups, record.steps, record.miou, title, further_columns(record)))
    if record.summary:
        console.print(summary_table(record.summary, f"the whole run, {record.split} tiles"))
    else:
        beside = "" if joint is None else ", comparison with the joint run"
        console.print(f"Earlier steps are missing. Not computed: averages over steps, forgetting{beside}.")
    show_labels(labels)
    folder = tested[-1].finished.folder.parent
    write_steps(folder, record)
    columns = [f"step {step}" for step in record.steps]
    steps_figure(record.miou, record.groups, columns, folder / f"steps-{record.split}.png")
    console.print(f"[dim]{folder}[/]")
    if other is not None and config.against is not None:
        show_against({folder.name: record, config.against.name: other}, tested[-1].task)


def show_labels(labels: ScoredLabels) -> None:
    """Print what a table counts as what: tables are compared only if this line is the same."""
    console.print(f"[dim]labels: {labels}[/]", highlight=False)


def show_against(runs: Mapping[str, StepsRecord], task: Task) -> None:
    """Print every class after the last step, run beside run."""
    title = f"IoU after step {task.step}, {next(iter(runs.values())).split} tiles"
    console.print(comparison_table([*runs], task, class_by_class(runs), last_means(runs), title))


def show_restricted(tested: Sequence[Tested]) -> None:
    """Print how well the classes of each step are distinguished from one another."""
    title = "mean IoU of each step's classes alone (pixels and outputs of all other classes are left out)"
    labels = step_labels(tested[-1].task)
    console.print(matrix_table(labels, [one.step for one in tested], restricted_by_step(tested), title))
