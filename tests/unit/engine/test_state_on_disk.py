"""What an interrupted step finds again."""

from pathlib import Path

import pytest
import torch
from torch import nn

from saticl.engine import fit, resume
from saticl.engine.state import Progress
from saticl.methods.base import Method
from saticl.methods.phases import Phase
from saticl.options import SchedulerOptions, TrainerOptions
from tests.steps import make_method, make_step


def scaler(scale: float) -> torch.amp.GradScaler:
    return torch.amp.GradScaler("cpu", init_scale=scale)


def started(folder: Path, scale: float | None = None) -> fit.Episode:
    options = TrainerOptions(channels_last=False, resume=True)
    step = make_step(folder, make_method(Remembers), scheduler=SchedulerOptions(target="plateau"), options=options)
    step.accelerator.scaler = None if scale is None else scaler(scale)
    return fit.start(step, Phase(), fit.Learner(step.student, step.method))


class Remembers(Method):
    """A number that is no tensor of the module."""

    remembered: dict[str, torch.Tensor] | None = None

    def running_state(self) -> dict[str, torch.Tensor]:
        return {"number": torch.tensor(8.0)}

    def resume_state(self, state: dict[str, torch.Tensor]) -> None:  # type: ignore[override]
        self.remembered = state


def move(episode: fit.Episode) -> None:
    """One move of the optimiser, so that it has a state."""
    for parameter in episode.bare.parameters():
        parameter.grad = torch.ones_like(parameter)
    bare = episode.optimizer.optimizer  # type: ignore[attr-defined]  # nothing was scaled
    bare.param_groups[0]["momentum"] = 0.9
    bare.step()


def test_all_that_a_phase_has_changed_comes_back(tmp_path: Path) -> None:
    one, two = started(tmp_path, 512.0), started(tmp_path, 2.0)
    one.schedule.stalls, one.schedule.since_best = 2, 3
    move(one)
    progress = Progress(4, 12, 0.5, 3, 1, 1, 2, 6)

    resume.save_progress(one, progress)
    found, state = resume.load_state(two.step)
    assert state is not None
    resume.restore(two, state)

    assert found == progress
    for name, value in one.bare.state_dict().items():
        assert two.bare.state_dict()[name].equal(value)
    first, second = (next(iter(each.optimizer.state_dict()["state"].values())) for each in (one, two))
    assert second["momentum_buffer"].equal(first["momentum_buffer"])
    assert (two.schedule.stalls, two.schedule.since_best) == (2, 3)
    assert two.step.accelerator.scaler.get_scale() == 512.0  # type: ignore[union-attr]
    remembered: dict[str, torch.Tensor] = two.step.method.remembered  # type: ignore[assignment]
    assert {name: value.item() for name, value in remembered.items()} == {"number": 8.0}


@pytest.mark.parametrize(("before", "after"), [(None, 2.0), (512.0, None), (None, None)])
def test_a_step_goes_on_in_another_precision(before: float | None, after: float | None, tmp_path: Path) -> None:
    one, two = started(tmp_path, before), started(tmp_path, after)

    resume.save_progress(one, Progress(epoch=1))
    _, state = resume.load_state(two.step)
    assert state is not None
    resume.restore(two, state)

    found = two.step.accelerator.scaler
    assert (None if found is None else found.get_scale()) == after


def test_a_step_that_never_ended_an_epoch_has_left_nothing(tmp_path: Path) -> None:
    assert resume.load_state(started(tmp_path).step) == (Progress(), None)


def test_only_the_main_process_writes_and_all_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = started(tmp_path)
    waits: list[int] = []
    monkeypatch.setattr(type(one.step.accelerator), "is_main_process", property(lambda self: False))
    monkeypatch.setattr(type(one.step.accelerator), "wait_for_everyone", lambda self: waits.append(1))

    resume.save_progress(one, Progress(epoch=1))

    assert waits == [1]
    assert not one.step.last.exists()


def test_what_a_method_remembers_goes_to_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = started(tmp_path)
    resume.save_progress(one, Progress(epoch=1))
    _, state = resume.load_state(one.step)
    assert state is not None
    monkeypatch.setattr(type(one.step.accelerator), "device", property(lambda self: torch.device("meta")))

    resume.restore(one, state)

    assert one.step.method.remembered["number"].device.type == "meta"  # type: ignore[index,union-attr]


def test_files_of_a_step_are_named_by_what_they_hold(tmp_path: Path) -> None:
    step = make_step(tmp_path, make_method(), normalize=nn.Identity())

    assert step.last == tmp_path / "last" / "state.pt"
    assert step.best(2) == tmp_path / "last" / "best-2.safetensors"
