"""One step of a protocol from beginning to end: what a method prepares, phases of epochs, best weights, final changes.

Methods say what is minimised, the engine how: one phase is an `Episode` (`episode.py`), which trains and validates;
`resume.py` keeps and finds the state of an interrupted step. A step without phases is not trained by gradient: there
the final changes are all, and one validation follows them.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

from accelerate import Accelerator
from torch import Tensor

from saticl.engine import checkpoint, seed
from saticl.engine.device import forget_peak_memory, peak_memory_mb
from saticl.engine.episode import Episode, assess, device_batches, train_epoch, validate
from saticl.engine.learner import Learner, agree_on_everything, only_trained
from saticl.engine.optim import Schedule, build_optimizer
from saticl.engine.resume import State, end_if_asked, keep_if_due, load_state, restore, save_progress
from saticl.engine.state import Progress
from saticl.engine.step import Step
from saticl.engine.watch import Watch
from saticl.errors import InvalidOptions
from saticl.methods.base import Method
from saticl.methods.phases import Phase
from saticl.models.norm import synchronise
from saticl.runs.journal import Costs, Epoch

OnEpoch = Callable[[Epoch], None]
"""Receives the record of an epoch."""


def fit(step: Step, on_epoch: OnEpoch) -> Progress:
    """Train one step through all phases; the student and the method then hold what is to be sealed.

    Args:
        step: the live objects.
        on_epoch: gets the numbers of every epoch, for people and for tracking.

    Raises:
        NonFiniteLoss: naming the term; the last state stays on disk. InvalidOptions: see `phases_of`.
        Paused: a signal has ended it between two iterations.
        InvalidCheckpoint: an interrupted step cannot be continued.
    """
    grow(step)
    progress, state = load_state(step)
    phases = phases_of(step.method, progress)
    if progress.iteration == 0:
        seed.seed_everything(step.seed, step.task.step, step.accelerator.process_index)
        step.method.begin(step.student, step.teacher, device_batches(step, epoch=0))
    step.journal.forget_after(progress.epoch)
    for number in range(progress.phase, len(phases)):
        if number > progress.phase:
            progress, state = progress.next_phase(), None
        train_phase(step, phases[number], progress, state, on_epoch)
        if number + 1 == len(phases):
            step.method.end(step.student)
        Learner(step.student, step.method).load_state_dict(checkpoint.load_tensors(step.best(number)))
    if phases:
        consolidate(step)
    else:
        solve(step, progress, on_epoch)
    return progress


def grow(step: Step) -> None:
    """Let the method change the student: all processes go on with what the first one made, on their own device."""
    seed.seed_everything(step.seed, step.task.step)
    step.method.grow(step.student, step.teacher, device_batches(step, epoch=0))
    if step.options.sync_norms and step.accelerator.num_processes > 1:
        synchronise(step.student)
    learner = Learner(step.student, step.method).to(step.accelerator.device)
    agree_on_everything(learner, step.accelerator)


def phases_of(method: Method, progress: Progress) -> Sequence[Phase]:
    """What a method names: nothing, or phases that reach at least to the one that is to be trained.

    Raises:
        InvalidOptions: they do not.
    """
    phases = method.phases()
    if progress.phase >= len(phases) and (phases or progress.epoch > 0):
        raise InvalidOptions(
            f"The method names {len(phases)} phases, but phase {progress.phase + 1} is to be trained: `phases()` must "
            "give as many as when an interrupted step was started."
        )
    return phases


def train_phase(step: Step, phase: Phase, progress: Progress, state: State | None, on_epoch: OnEpoch) -> None:
    """Train one phase, or what is left of it where `state` says how far it came.

    Its optimiser, and what several processes need for it, are gone when this returns.
    """
    learner = Learner(step.student, step.method)
    with only_trained(learner, phase):
        episode = start(step, phase, learner)
        if state is not None:
            restore(episode, state)
        run(episode, progress, on_epoch)
    step.accelerator.free_memory()


def start(step: Step, phase: Phase, learner: Learner) -> Episode:
    """Make the optimiser and the schedule of a phase, and distribute the learner."""
    max_epochs = phase.max_epochs or step.options.max_epochs
    max_iterations = phase.max_iterations or step.options.max_iterations
    per_epoch = len(step.training)
    total = max_epochs * per_epoch if max_iterations is None else min(max_epochs * per_epoch, max_iterations)
    optimizer = build_optimizer(phase.optimizer or step.optimizer, learner.named_parameters(), phase)
    schedule = Schedule(phase.scheduler or step.scheduler, optimizer, total, per_epoch)
    ready, ready_optimizer = step.accelerator.prepare(learner, optimizer)
    return Episode(step, phase, max_epochs, max_iterations, ready, ready_optimizer, schedule)


def run(episode: Episode, progress: Progress, on_epoch: OnEpoch) -> None:
    """The epochs of a phase that are left."""
    step = episode.step
    with Watch(step.options.save_minutes, votes_of(step.accelerator)) as watch:
        while not episode.is_finished(progress):
            epoch = progress.epoch + 1
            record = train_epoch(episode, progress, epoch, partial(keep_if_due, episode, progress, watch))
            progress.epoch = epoch
            if episode.is_due(progress):
                record = record.model_copy(update={"validation": validate(episode, progress)})
            step.journal.write_epoch(record)
            on_epoch(record)
            save_progress(episode, progress)
            watch.saved()
            watch.answer()
            end_if_asked(progress, watch)


def votes_of(accelerator: Accelerator) -> Callable[[Tensor], Tensor] | None:
    """How a watch adds up what all processes have heard; None where there is one."""
    if accelerator.num_processes == 1:
        return None
    return lambda votes: accelerator.reduce(votes.to(accelerator.device), reduction="sum")


def consolidate(step: Step) -> None:
    """Let the method change the best weights; all processes then use the result of the first one."""
    seed.seed_everything(step.seed, step.task.step)
    step.method.consolidate(step.student, step.teacher, device_batches(step, epoch=0))
    agree_on_everything(Learner(step.student, step.method), step.accelerator)


def solve(step: Step, progress: Progress, on_epoch: OnEpoch) -> None:
    """A step without phases: the final changes, then one validation, recorded as an epoch without terms.

    Nothing is kept in between: where it is interrupted, it starts anew.
    """
    forget_peak_memory(step.accelerator.device)
    started = time.perf_counter()
    consolidate(step)
    seconds = time.perf_counter() - started
    progress.epoch, progress.iteration = 1, len(step.training)
    images = progress.iteration * step.training.batch_size * step.accelerator.num_processes
    costs = Costs(
        images_per_s=images / seconds,
        seconds=seconds,
        iterations=progress.iteration,
        peak_memory_mb=peak_memory_mb(step.accelerator.device),
    )
    record = Epoch(epoch=1, loss=0.0, lr=0.0, terms={}, validation=assess(step, progress), costs=costs)
    step.journal.write_epoch(record)
    on_epoch(record)
