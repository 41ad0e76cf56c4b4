"""The state of an unfinished step on disk: written every few minutes, found again after an interruption."""

from collections.abc import Callable
from typing import Any

from saticl.engine import checkpoint
from saticl.engine.episode import Episode
from saticl.engine.state import Begun, Progress
from saticl.engine.step import Step
from saticl.engine.watch import Watch
from saticl.errors import InvalidCheckpoint, Paused

State = dict[str, Any]
"""Tensors and plain values, as `save_progress` writes them."""


def save_progress(episode: Episode, progress: Progress) -> None:
    """Write what `restore` needs; the previous state stays until the new one is complete."""
    step = episode.step
    step.accelerator.wait_for_everyone()
    if not step.accelerator.is_main_process:
        return
    scaler = step.accelerator.scaler
    checkpoint.save_resumable(
        step.last,
        {
            "progress": progress.to_dict(),
            "learner": episode.bare.state_dict(),
            "optimizer": episode.optimizer.state_dict(),
            "schedule": {"stalls": episode.schedule.stalls, "since_best": episode.schedule.since_best},
            "scaler": None if scaler is None else scaler.state_dict(),
            "method": step.method.running_state(),
        },
    )


def keep_if_due(episode: Episode, progress: Progress, watch: Watch, begun: Callable[[], Begun]) -> None:
    """Save the state amid an epoch where the watch says so.

    Raises:
        Paused: a signal has come.
    """
    if watch.is_due():
        progress.begun = begun()
        save_progress(episode, progress)
        watch.saved()
        end_if_asked(progress, watch)


def end_if_asked(progress: Progress, watch: Watch) -> None:
    """End a training whose state has just been saved.

    Raises:
        Paused: a signal has come.
    """
    if watch.must_end:
        raise Paused(
            f"Interrupted after iteration {progress.iteration}, which is saved. The same command with "
            "--trainer.resume continues."
        )


def load_state(step: Step) -> tuple[Progress, State | None]:
    """How far the last state came, and what `restore` needs; the very start where there is none.

    Raises:
        InvalidCheckpoint: the file is damaged, or of another version.
    """
    if not (step.options.resume and step.last.is_file()):
        return Progress(), None
    state = checkpoint.load_resumable(step.last)
    try:
        return Progress.from_dict(state["progress"]), state
    except (KeyError, TypeError) as error:
        raise checkpoint.unusable_state(step.last) from error


def restore(episode: Episode, state: State) -> None:
    """Continue from a state.

    Raises:
        InvalidCheckpoint: the network or the method is not what it was then.
    """
    step, schedule = episode.step, episode.schedule
    try:
        episode.bare.load_state_dict(state["learner"])
        episode.optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError) as error:
        odd = sorted(state["learner"].keys() ^ episode.bare.state_dict().keys())
        raise InvalidCheckpoint(
            f"{step.last} does not fit what is to be trained ({', '.join(odd[:3]) or 'other shapes'}): continue the "
            "step with the code and the libraries it was started with, or delete its folder and train it again."
        ) from error
    schedule.stalls, schedule.since_best = state["schedule"]["stalls"], state["schedule"]["since_best"]
    if step.accelerator.scaler is not None and state["scaler"] is not None:
        step.accelerator.scaler.load_state_dict(state["scaler"])
    step.method.resume_state(checkpoint.on_device(state["method"], step.accelerator.device))
