"""A phase of a step under way: epochs of iterations, and validations that keep the best weights."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer

from saticl.display.console import EpochBar
from saticl.engine import checkpoint, seed
from saticl.engine.device import forget_peak_memory, peak_memory_mb
from saticl.engine.evaluate import confusion
from saticl.engine.learner import Learner, agree_on_buffers
from saticl.engine.optim import Schedule
from saticl.engine.state import Begun, Progress
from saticl.engine.step import Step
from saticl.engine.totals import Totals
from saticl.methods.phases import Phase
from saticl.metrics.scores import score, score_groups
from saticl.runs.journal import Costs, Epoch, Validation
from saticl.types import Batch, Terms

CHECK_EVERY = 20
"""Iterations between looks at the loss: each look waits for the device."""


@dataclass(frozen=True)
class Episode:
    """A phase under way: its budget, and what exists for its time only."""

    step: Step
    phase: Phase
    max_epochs: int
    max_iterations: int | None
    learner: nn.Module
    """Student and method, prepared by the accelerator."""
    optimizer: Optimizer
    schedule: Schedule

    @property
    def bare(self) -> Learner:
        """The learner without what the accelerator put around it."""
        learner: Learner = self.step.accelerator.unwrap_model(self.learner)
        return learner

    def is_finished(self, progress: Progress) -> bool:
        """Whether the budget of epochs or iterations is used up, or patience is."""
        limit = self.max_iterations
        out_of_iterations = limit is not None and progress.phase_iterations >= limit
        out_of_epochs = progress.phase_epochs >= self.max_epochs
        return out_of_iterations or out_of_epochs or progress.stalled >= self.step.options.patience

    def is_due(self, progress: Progress) -> bool:
        """Whether this epoch ends with a validation: every so often, and after the last one."""
        return progress.phase_epochs % self.step.options.validate_every == 0 or self.is_finished(progress)


Keep = Callable[[Callable[[], Begun]], None]
"""Asked whenever the weights have moved: may save them, with what it is given of the epoch, and end the training."""


def train_epoch(episode: Episode, progress: Progress, epoch: int, keep: Keep = lambda begun: None) -> Epoch:
    """One pass over the training tiles, or what is left of it; mean terms, learning rate, cost in time and memory."""
    step, begun = episode.step, progress.begun
    episode.learner.train()
    for part in step.method.resting(step.student):
        part.eval()
    forget_peak_memory(step.accelerator.device)
    started = time.perf_counter() - begun.seconds
    totals = Totals(epoch, partial(step.accelerator.reduce, reduction="mean"), begun)
    length = len(step.training)
    if episode.max_iterations is not None:
        length = min(length, episode.max_iterations - progress.phase_iterations + begun.iterations)
    with EpochBar(epoch, length, done=begun.iterations, enabled=step.accelerator.is_main_process) as bar:
        for index, batch in enumerate(device_batches(step, epoch, begun.iterations, length), begun.iterations):
            episode.schedule.set(progress.phase_iterations)
            group = Group.of(index, step.options.accumulate, length)
            totals.add(train_iteration(episode, batch, draw_anew(step, epoch, index), group))
            progress.iteration += 1
            bar.advance(len(batch.image) * step.accelerator.num_processes)
            if (index + 1) % CHECK_EVERY == 0:
                bar.show(totals.means())
            if group.is_last:
                keep(partial(totals.so_far, index + 1, started))
    means = totals.means()
    seconds = time.perf_counter() - started
    images = length * step.training.batch_size * step.accelerator.num_processes
    costs = Costs(
        images_per_s=images / seconds,
        seconds=seconds,
        iterations=length,
        peak_memory_mb=peak_memory_mb(step.accelerator.device),
    )
    rate = episode.schedule.set(progress.phase_iterations - 1) * (episode.phase.optimizer or step.optimizer).lr
    progress.begun = Begun()
    return Epoch(epoch=epoch, loss=sum(means.values()), lr=rate, terms=means, costs=costs)


def draw_anew(step: Step, epoch: int, index: int) -> torch.Generator:
    """Seed what an iteration draws; the generator is for what all processes must draw alike."""
    seed.seed_everything(step.seed, step.task.step, step.accelerator.process_index, epoch, index)
    return seed.generator(step.seed, step.task.step, epoch, index)


class Group(NamedTuple):
    """Iterations whose gradients are summed, as one of them sees it."""

    size: int
    """How many they are; the last group of an epoch may be smaller."""
    is_last: bool
    """Whether this iteration completes it."""

    @classmethod
    def of(cls, index: int, accumulate: int, length: int) -> "Group":
        """The group of iteration `index` of an epoch of `length`."""
        first = index - index % accumulate
        size = min(accumulate, length - first)
        return cls(size, index + 1 == first + size)


def train_iteration(episode: Episode, batch: Batch, generator: torch.Generator, group: Group) -> Terms:
    """Forward, backward and, at the end of a group, one move of the optimiser; returns the detached terms."""
    step, learner = episode.step, episode.learner
    accelerator = step.accelerator
    with contextlib.nullcontext() if group.is_last else accelerator.no_sync(learner):
        with accelerator.autocast():
            terms: Terms = learner(batch, step.teacher, generator)
        loss = torch.stack([term.float() for term in terms.values()]).sum()
        accelerator.backward(loss / group.size)
    if not group.is_last:
        return terms
    accelerator.unscale_gradients(episode.optimizer)
    logged = step.method.after_backward(step.student)
    if step.options.clip > 0:  # not accelerate's: that would unscale the gradients of half precision once more
        nn.utils.clip_grad_norm_(learner.parameters(), step.options.clip)
    episode.optimizer.step()
    episode.optimizer.zero_grad(set_to_none=True)
    step.method.after_step(step.student)
    return {**terms, **logged}


def device_batches(step: Step, epoch: int, first: int = 0, end: int | None = None) -> Iterator[Batch]:
    """Some batches of an epoch, or all of them, normalised, on the device of this process."""
    step.training.go_to(epoch, first)
    layout = torch.channels_last if step.options.channels_last else torch.contiguous_format
    for batch in islice(step.training, None if end is None else end - first):
        image = step.normalize(batch.image.to(step.accelerator.device, non_blocking=True))
        target = batch.target.to(step.accelerator.device, non_blocking=True).long()
        maps = {name: plane.to(step.accelerator.device, non_blocking=True) for name, plane in batch.maps.items()}
        yield Batch(image.contiguous(memory_format=layout), target, maps)


def validate(episode: Episode, progress: Progress) -> Validation:
    """Score the present weights on what this step may know, and keep them if they are the best so far."""
    step = episode.step
    agree_on_buffers(episode.bare, step.accelerator)
    validation = assess(step, progress)
    episode.schedule.observe(validation.best)
    if validation.best and step.accelerator.is_main_process:
        checkpoint.save_tensors(step.best(progress.phase), episode.bare.state_dict())
    return validation


def assess(step: Step, progress: Progress) -> Validation:
    """Scores of the present weights on what this step may know, and whether they are the best so far.

    Without a pixel of a new class, the best would be those that learn least: then the last epoch is taken.
    """
    matrix = confusion(
        step.student,
        step.validation,
        step.normalize,
        step.accelerator,
        step.task.num_seen,
        step.targets,
        classify=step.method.classes,
    )
    scores = score(matrix, step.task.names, score_groups(step.task.head_sizes))
    miou, f1, new_miou = scores.value("all.iou"), scores.value("all.f1"), scores.value("new.iou")
    compared = new_miou if step.task.new else miou
    monitor = step.options.monitor if math.isfinite(compared) else "last"
    improved = progress.observe({"miou": miou, "f1": f1, "last": float(progress.epoch)}[monitor])
    if monitor == "last":
        progress.stalled = 0
    return Validation(miou=miou, f1=f1, old_miou=scores.value("old.iou"), new_miou=new_miou, best=improved)
