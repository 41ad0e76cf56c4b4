"""The state of an unfinished step on disk: written after every epoch, found again after an interruption."""

from typing import Any

from saticl.engine import checkpoint
from saticl.engine.episode import Episode
from saticl.engine.state import Progress
from saticl.engine.step import Step


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


def load_state(step: Step) -> dict[str, Any] | None:
    """What the last complete epoch left, None where there is none."""
    return checkpoint.load_resumable(step.last) if step.last.is_file() else None


def restore(episode: Episode, state: dict[str, Any]) -> None:
    """Continue from the last complete epoch."""
    step, schedule = episode.step, episode.schedule
    episode.bare.load_state_dict(state["learner"])
    episode.optimizer.load_state_dict(state["optimizer"])
    schedule.stalls, schedule.since_best = state["schedule"]["stalls"], state["schedule"]["since_best"]
    if step.accelerator.scaler is not None and state["scaler"] is not None:
        step.accelerator.scaler.load_state_dict(state["scaler"])
    step.method.resume_state(checkpoint.on_device(state["method"], step.accelerator.device))
