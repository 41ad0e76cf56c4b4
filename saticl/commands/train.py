"""`train`: learn one step of a protocol, or all of them in order. Read `train_step` to see the whole program."""

import shutil

from accelerate import Accelerator
from rich.table import Table

from saticl.commands.assembly import build_step
from saticl.commands.claim import claimed
from saticl.commands.overview import show_labels
from saticl.commands.plan import Plan, describe, make_plans, previous_info, warn_of_validation
from saticl.commands.prepared import warn_of_drift, warn_of_resolution
from saticl.commands.runs import already_finished
from saticl.commands.stages import stages
from saticl.config import TrainConfig
from saticl.display.console import console, epoch_line
from saticl.display.figures import curves_figure
from saticl.display.tables import score_table
from saticl.engine import checkpoint, fit
from saticl.engine.device import leave_together, make_accelerator
from saticl.engine.seed import seed_everything
from saticl.engine.step import Step
from saticl.errors import Paused
from saticl.files import write_atomically
from saticl.inference import scoring
from saticl.inference.predictor import Predictor
from saticl.inference.scoring import ScoredTiles
from saticl.labels import ScoredLabels
from saticl.methods import find
from saticl.metrics.scores import Scores, score, score_groups
from saticl.runs.folder import METHOD_FILE, MODEL_FILE
from saticl.runs.journal import Epoch
from saticl.runs.memory import read_memory, write_memory
from saticl.runs.scores import write_scores
from saticl.runs.step import StepInfo
from saticl.runs.trained import CONFIG_FILE
from saticl.tracking.mlflow_tracker import Status, open_tracker


def train(config: TrainConfig) -> None:
    """Train `config.task.step`, or every step in order, each from the folder of the one before.

    Raises:
        SaticlError: anything the user can correct; nothing is written before the options are known to be right.
    """
    plans = make_plans(stages(config))
    accelerator = make_accelerator(config.trainer, config.model)
    for plan in plans:
        train_step(plan, accelerator)
        accelerator.free_memory()
    leave_together(accelerator)


def train_step(plan: Plan, accelerator: Accelerator) -> None:
    """Train one step from the previous one's folder and leave a finished folder behind."""
    config, task = plan.config, plan.task
    if already_finished(plan.folder, config):
        say(accelerator, f"step {task.step} is finished already: {plan.folder}")
        return
    before = previous_info(plan)
    info = describe(plan, accelerator.mixed_precision, before)
    if before is not None and accelerator.is_main_process:
        warn_of_drift(plan.data, before, config.normalization)
        warn_of_resolution(plan.data, before)
    if accelerator.is_main_process:
        warn_of_validation(plan)
    seed_everything(config.seed, task.step)
    step = build_step(plan, accelerator, info)
    with claimed(plan.folder, accelerator, lambda: already_finished(plan.folder, config)) as finished:
        if finished:
            say(accelerator, f"step {task.step} was finished by another training in the meantime: {plan.folder}")
        else:
            run_step(plan, info, step)


def run_step(plan: Plan, info: StepInfo, step: Step) -> None:
    """Train, score, seal and record a step in a folder that nobody else writes to."""
    config, task, accelerator = plan.config, plan.task, step.accelerator
    tracker = open_tracker(config.tracking, config.output_folder, plan.run, task.step, accelerator.is_main_process)

    def report(epoch: Epoch) -> None:
        say(accelerator, epoch_line(epoch))
        tracker.metrics(epoch.numbers(), epoch.epoch)

    tracker.params(config.model_dump(mode="json"))
    if accelerator.is_main_process:
        write_atomically(plan.folder / CONFIG_FILE, config.to_yaml())
        console.print(step_summary(plan))
    accelerator.wait_for_everyone()
    status: Status = "FAILED"
    try:
        fit.fit(step, report)
        scores = finish(plan, info, step)
        tracker.metrics({f"full_truth.{name}": value for name, value in scores.values().items()}, 0)
        tracker.artifact(plan.folder / "figures")
        tracker.artifact(plan.folder / CONFIG_FILE)
        status = "FINISHED"
    except Paused:
        status = "KILLED"
        raise
    finally:
        tracker.close(status)
    if accelerator.is_main_process:
        console.print(score_table(scores, task, f"step {task.step}: best epoch, validation tiles, full truth"))
        show_labels(scored_labels(plan))
        console.print(f"[dim]{plan.folder}[/]")


def scored_labels(plan: Plan) -> ScoredLabels:
    """What the labels show when a step is scored at its end."""
    return ScoredLabels(unlabelled=plan.config.unlabelled)


def finish(plan: Plan, info: StepInfo, step: Step) -> Scores:
    """Score what was learned against the full truth and seal the folder; the checkpoint is written last of all.

    The full truth includes old classes, whose labels the step itself never saw; nothing is selected by it.

    Raises:
        NonFiniteWeights: there is nothing to score; the folder stays unfinished.
    """
    accelerator, folder, trainer = step.accelerator, plan.folder, plan.config.trainer
    checkpoint.require_finite(step.student.state_dict(), folder / MODEL_FILE)
    predictor, data = Predictor.of(step.student, info, accelerator), plan.data
    on = ScoredTiles(
        data.root,
        data.manifest,
        plan.validation,
        "background",
        plan.config.unlabelled,
        trainer.batch_size,
        trainer.num_workers,
    )
    (matrix,) = scoring.count(predictor, [on])
    scores = score(matrix, info.task.names, score_groups(info.task.head_sizes))
    if accelerator.is_main_process:
        write_scores(folder, "val", scores, matrix, scored_labels(plan), [str(data.root)])
        curves_figure(step.journal.epochs(), folder / "figures" / "curves.png")
        state = step.method.export_state()
        if state:
            checkpoint.save_tensors(folder / METHOD_FILE, state)
        known = read_memory(plan.previous) if plan.task.step > 0 else ()
        write_memory(folder, step.method.remember(known, plan.training))
        checkpoint.save_model(folder / MODEL_FILE, step.student.state_dict(), info)
        shutil.rmtree(folder / "last", ignore_errors=True)
    accelerator.wait_for_everyone()
    return scores


def say(accelerator: Accelerator, line: str) -> None:
    """Print one line from the main process."""
    if accelerator.is_main_process:
        console.print(line, highlight=False)


def step_summary(plan: Plan) -> Table:
    """What is about to happen, in a small table."""
    task, config = plan.task, plan.config
    tiles = f"{len(plan.training)} for training ({config.task.filter_mode}), {len(plan.validation)} for validation"
    rows = {
        "task": f"{task.protocol.name}, step {task.step} of {task.num_steps - 1}",
        "new classes": ", ".join(task.new) or "-",
        "old classes": ", ".join(task.old) or "-",
        **({"places": ", ".join(task.places)} if task.places else {}),
        "data": str(plan.data.root),
        "method": find(config.method).name + (" + rotation distillation" if config.rotates else ""),
        "tiles": tiles,
        "labels": str(plan.labels),
        "folder": str(plan.folder),
    }
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(f"[dim]{name}[/]", value)
    return table
