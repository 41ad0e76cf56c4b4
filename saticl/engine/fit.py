"""One step of a protocol: epochs of training, validations in between, the best weights kept.

Everything a step needs is in `Step`; `fit` is the loop. Methods say what is minimised, this module how: precision,
accumulation, clipping, several processes, early stopping, and continuing after an interruption.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer

from saticl.display.console import EpochBar
from saticl.engine import checkpoint, seed
from saticl.engine.device import forget_peak_memory, peak_memory_mb
from saticl.engine.evaluate import confusion
from saticl.engine.optim import Schedule
from saticl.engine.state import Progress
from saticl.engine.totals import Totals
from saticl.methods.base import Method, Network, plain_terms
from saticl.methods.rotation import rotation_terms
from saticl.metrics.scores import score, score_groups
from saticl.models.teacher import Teacher
from saticl.options import AugOptions, TrainerOptions
from saticl.runs.journal import Costs, Epoch, Journal, Validation
from saticl.tasks import Task
from saticl.tiles.loaders import EvaluationLoader, TrainingLoader
from saticl.types import Batch, Terms

OnEpoch = Callable[[Epoch], None]
"""Receives the record of an epoch."""

CHECK_EVERY = 20
"""Iterations between looks at the loss: each look waits for the device."""


@dataclass(frozen=True)
class Step:
    """The live objects of one step, wired by `commands/train.py`."""

    task: Task
    options: TrainerOptions
    aug: AugOptions
    seed: int
    folder: Path
    accelerator: Accelerator
    student: nn.Module
    """Prepared by the accelerator."""
    teacher: Teacher | None
    method: Method
    optimizer: Optimizer
    schedule: Schedule
    normalize: nn.Module
    training: TrainingLoader
    validation: EvaluationLoader
    targets: list[Tensor] | None
    """Validation labels with the teacher's old classes; None: those of the loader (step 0)."""
    journal: Journal

    @property
    def rotates(self) -> bool:
        """Whether rotation distillation wraps the method."""
        return self.aug.factor > 0 or self.aug.factor_icl > 0

    @property
    def last(self) -> Path:
        """The file from which an interrupted step continues."""
        return self.folder / "last" / "state.pt"


def fit(step: Step, report: OnEpoch) -> Progress:
    """Train one step until its budget or patience ends; the best weights are then in `best_weights(step)`.

    Args:
        step: the live objects.
        report: told the numbers of every epoch, for people and for tracking.

    Raises:
        NonFiniteLoss: naming the term; the last complete epoch stays on disk.
    """
    progress = restore(step) if step.options.resume else Progress()
    if progress.epoch == 0:
        seed.seed_everything(step.seed, step.task.step, step.accelerator.process_index)
        student = step.accelerator.unwrap_model(step.student)
        step.method.begin(student, step.teacher, device_batches(step, epoch=0))
    step.journal.forget_after(progress.epoch)
    while not finished(step, progress):
        epoch = progress.epoch + 1
        seed.seed_everything(step.seed, step.task.step, step.accelerator.process_index, epoch)
        record = train_epoch(step, progress, epoch)
        progress.epoch = epoch
        if due(step, progress):
            record = record.model_copy(update={"validation": validate(step, progress)})
        step.journal.write_epoch(record)
        report(record)
        save_progress(step, progress)
    step.method.end(step.accelerator.unwrap_model(step.student))
    return progress


def finished(step: Step, progress: Progress) -> bool:
    """Whether the budget of epochs or iterations is used up, or patience is."""
    options = step.options
    out_of_iterations = options.max_iterations is not None and progress.iteration >= options.max_iterations
    return out_of_iterations or progress.epoch >= options.max_epochs or progress.stalled >= options.patience


def due(step: Step, progress: Progress) -> bool:
    """Whether this epoch ends with a validation: every so often, and after the last one."""
    return progress.epoch % step.options.validate_every == 0 or finished(step, progress)


def train_epoch(step: Step, progress: Progress, epoch: int) -> Epoch:
    """One pass over the training tiles; mean terms, learning rate, and what it cost in time and memory."""
    step.student.train()
    forget_peak_memory(step.accelerator.device)
    started = time.perf_counter()
    totals = Totals(epoch, partial(step.accelerator.reduce, reduction="mean"))
    length = len(step.training)
    if step.options.max_iterations is not None:
        length = min(length, step.options.max_iterations - progress.iteration)
    generator = seed.generator(step.seed, step.task.step, epoch)  # the same on every process: turns agree
    rate = 0.0
    with EpochBar(epoch, length, enabled=step.accelerator.is_main_process) as bar:
        for index, batch in zip(range(length), device_batches(step, epoch), strict=False):
            rate = step.schedule.set(progress.iteration)
            update = (index + 1) % step.options.accumulate == 0 or index + 1 == length
            totals.add(train_iteration(step, batch, generator, update))
            progress.iteration += 1
            bar.advance(len(batch.image) * step.accelerator.num_processes)
            if (index + 1) % CHECK_EVERY == 0:
                bar.show(totals.means())
    means = totals.means()
    images = length * step.training.batch_size * step.accelerator.num_processes
    seconds = time.perf_counter() - started
    costs = Costs(
        images_per_s=images / seconds,
        seconds=seconds,
        iterations=length,
        peak_memory_mb=peak_memory_mb(step.accelerator.device),
    )
    return Epoch(epoch=epoch, loss=sum(means.values()), lr=rate, terms=means, costs=costs)


def train_iteration(step: Step, batch: Batch, generator: torch.Generator, update: bool) -> Terms:
    """Forward, backward and, where `update`, one move of the optimiser; returns the detached terms."""
    accelerator = step.accelerator
    with contextlib.nullcontext() if update else accelerator.no_sync(step.student):
        with accelerator.autocast():
            terms = objective(step, batch, step.student, generator)
        loss = torch.stack([term.float() for term in terms.values()]).sum()
        accelerator.backward(loss / step.options.accumulate)
    if not update:
        return terms
    accelerator.unscale_gradients(step.optimizer)
    logged = step.method.after_backward(accelerator.unwrap_model(step.student))
    if step.options.clip > 0:
        accelerator.clip_grad_norm_(step.student.parameters(), step.options.clip)
    step.optimizer.step()
    step.optimizer.zero_grad(set_to_none=True)
    return {**terms, **logged}


def objective(step: Step, batch: Batch, student: Network, generator: torch.Generator) -> Terms:
    """The terms of one batch, with rotation distillation where it is on."""
    if step.rotates:
        return rotation_terms(step.method, step.aug, batch, student, step.teacher, generator)
    return plain_terms(step.method, batch, student, step.teacher)


def device_batches(step: Step, epoch: int) -> Iterator[Batch]:
    """The batches of an epoch, normalised, on the device of this process."""
    step.training.set_epoch(epoch)
    layout = torch.channels_last if step.options.channels_last else torch.contiguous_format
    for batch in step.training:
        image = step.normalize(batch.image.to(step.accelerator.device, non_blocking=True))
        target = batch.target.to(step.accelerator.device, non_blocking=True).long()
        yield Batch(image.contiguous(memory_format=layout), target)


def validate(step: Step, progress: Progress) -> Validation:
    """Score the present weights on what this step may know, and keep them if they are the best so far."""
    matrix = confusion(
        step.student,
        step.validation,
        step.normalize,
        step.accelerator,
        step.task.num_seen,
        step.targets,
        decode=step.method.decode,
    )
    scores = score(matrix, step.task.names, score_groups(step.task.head_sizes))
    miou, f1 = scores.value("all.iou"), scores.value("all.f1")
    monitored = {"miou": miou, "f1": f1, "last": float(progress.epoch)}[step.options.monitor]
    improved = progress.observe(monitored if math.isfinite(monitored) else -1.0)
    if step.options.monitor == "last":
        progress.stalled = 0
    step.schedule.observe(improved)
    if improved and step.accelerator.is_main_process:
        weights = step.accelerator.unwrap_model(step.student).state_dict()
        checkpoint.save_tensors(best_weights(step), weights)
    return Validation(
        miou=miou, f1=f1, old_miou=scores.value("old.iou"), new_miou=scores.value("new.iou"), best=improved
    )


def best_weights(step: Step) -> Path:
    """File of the best weights so far."""
    return step.folder / "last" / "best.safetensors"


def save_progress(step: Step, progress: Progress) -> None:
    """Write what `restore` needs; the previous state stays until the new one is complete."""
    step.accelerator.wait_for_everyone()
    if not step.accelerator.is_main_process:
        return
    scaler = step.accelerator.scaler
    checkpoint.save_resumable(
        step.last,
        {
            "progress": progress.to_dict(),
            "model": step.accelerator.unwrap_model(step.student).state_dict(),
            "optimizer": step.optimizer.state_dict(),
            "schedule": {"stalls": step.schedule.stalls, "since_best": step.schedule.since_best},
            "scaler": None if scaler is None else scaler.state_dict(),
            "method": step.method.running_state(),
        },
    )


def restore(step: Step) -> Progress:
    """Continue from the last complete epoch; from the start where there is none."""
    if not step.last.is_file():
        return Progress()
    state = checkpoint.load_resumable(step.last)
    step.accelerator.unwrap_model(step.student).load_state_dict(state["model"])
    step.optimizer.load_state_dict(state["optimizer"])
    step.schedule.stalls, step.schedule.since_best = state["schedule"]["stalls"], state["schedule"]["since_best"]
    if step.accelerator.scaler is not None and state["scaler"] is not None:
        step.accelerator.scaler.load_state_dict(state["scaler"])
    step.method.resume_state(checkpoint.on_device(state["method"], step.accelerator.device))
    return Progress.from_dict(state["progress"])
