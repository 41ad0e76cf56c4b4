"""What the engine makes of the phases that a method names."""

import gc
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from saticl.engine import fit
from saticl.errors import InvalidOptions
from saticl.methods.base import Method, Network
from saticl.methods.phases import Phase
from saticl.methods.rotation import Rotated
from saticl.options import AugOptions, TrainerOptions
from saticl.runs.journal import Epoch
from saticl.types import Batch
from tests.steps import ignore, make_method, make_step


class Two(Method):
    """Two phases of the user's length."""

    def phases(self) -> Sequence[Phase]:
        return Phase("one"), Phase("two")


def test_a_phase_leaves_nothing_on_the_device_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimizers: list[weakref.ref[object]] = []
    alive: list[int] = []
    original = fit.build_optimizer

    def noted(*arguments: object) -> torch.optim.Optimizer:
        gc.collect()
        alive.append(sum(optimizer() is not None for optimizer in optimizers))
        made = original(*arguments)  # type: ignore[arg-type]
        optimizers.append(weakref.ref(made))
        return made

    monkeypatch.setattr(fit, "build_optimizer", noted)

    fit.fit(make_step(tmp_path, make_method(Two)), ignore)

    assert alive == [0, 0]


class Solved(Method):
    """Trains nothing: its head is what the last batch says, and its body what `begin` has found."""

    ended = False

    def phases(self) -> Sequence[Phase]:
        return ()

    @torch.no_grad()
    def begin(self, student: nn.Module, teacher: Network | None, batches: Iterable[Batch]) -> None:
        student.body.decoder.bias.fill_(float(len(list(batches))))  # type: ignore[union-attr,operator]

    def end(self, student: nn.Module) -> None:
        self.ended = True

    @torch.no_grad()
    def consolidate(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        for batch in batches:
            student.heads[0].bias.fill_(batch.image.mean())  # type: ignore[index,union-attr,operator]


@pytest.mark.parametrize("aug", [None, AugOptions(factor=0.1)], ids=["alone", "rotated"])
def test_a_step_without_phases_is_solved_then_validated_once_and_recorded(
    aug: AugOptions | None, tmp_path: Path
) -> None:
    inner = make_method(Solved)
    step = make_step(tmp_path, inner if aug is None else Rotated(inner, aug))
    validated, told = [], []
    step.student.register_forward_pre_hook(lambda student, _: validated.append(student.heads[0].bias[0].item()))  # type: ignore[union-attr,index,operator]

    progress = fit.fit(step, told.append)

    (record,) = step.journal.epochs()
    assert [epoch.epoch for epoch in told] == [1]
    assert (progress.epoch, progress.best_epoch, progress.iteration) == (1, 1, 3)
    assert (record.epoch, record.loss, record.terms, record.costs.iterations) == (1, 0.0, {}, 3)
    assert record.validation is not None
    assert record.validation.best
    assert record.costs.images_per_s == pytest.approx(6 / record.costs.seconds)
    assert validated == [step.student.heads[0].bias[0].item()]  # type: ignore[union-attr,index,operator]
    assert step.student.body.decoder.bias[0] == 3  # type: ignore[union-attr,index]
    assert not inner.ended  # type: ignore[attr-defined]
    assert not step.last.exists()


def test_a_step_without_phases_that_was_interrupted_starts_anew(tmp_path: Path) -> None:
    whole = make_step(tmp_path / "whole", make_method(Solved))
    fit.fit(whole, ignore)

    def kill(epoch: Epoch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit.fit(make_step(tmp_path / "killed", make_method(Solved)), kill)
    options = TrainerOptions(channels_last=False, max_epochs=2, resume=True)
    rest = make_step(tmp_path / "killed", make_method(Solved), options=options)
    fit.fit(rest, ignore)

    torch.testing.assert_close(rest.student.state_dict(), whole.student.state_dict(), rtol=0, atol=0)
    assert [epoch.epoch for epoch in rest.journal.epochs()] == [1]


@pytest.mark.parametrize("aug", [None, AugOptions(factor=0.1)], ids=["alone", "rotated"])
def test_a_method_whose_phases_are_gone_is_told_so(aug: AugOptions | None, tmp_path: Path) -> None:
    fit.fit(make_step(tmp_path, make_method(Two)), ignore)
    inner = make_method(Solved)
    options = TrainerOptions(channels_last=False, max_epochs=2, resume=True)

    with pytest.raises(InvalidOptions, match=r"names 0 phases, but phase 2 is to be trained"):
        fit.fit(make_step(tmp_path, inner if aug is None else Rotated(inner, aug), options=options), ignore)


@pytest.mark.parametrize("budget", [{"max_epochs": 0}, {"max_iterations": 0}])
def test_a_phase_without_a_budget_is_no_phase(budget: dict[str, int]) -> None:
    with pytest.raises(InvalidOptions, match="'warm'"):
        Phase("warm", **budget)


class Keeps(Method):
    """A parameter of its own that its only phase leaves alone."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.scale = nn.Parameter(torch.ones(()))

    def phases(self) -> Sequence[Phase]:
        return (Phase(rates={"method.scale": 0.0}),)

    def initial(self, new: object, target: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return {"ce": super().initial(new, target)["ce"] * self.scale.square()}  # type: ignore[arg-type]


@pytest.mark.parametrize("aug", [None, AugOptions(factor=0.1)], ids=["alone", "rotated"])
def test_the_rates_of_what_a_method_owns_hold_inside_rotation_too(aug: AugOptions | None, tmp_path: Path) -> None:
    inner = make_method(Keeps)
    step = make_step(tmp_path, inner if aug is None else Rotated(inner, aug))

    fit.fit(step, ignore)

    assert inner.scale.item() == 1


def test_the_phase_in_which_a_step_was_interrupted_must_still_be_there(tmp_path: Path) -> None:
    def kill(epoch: Epoch) -> None:
        if epoch.epoch == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit.fit(make_step(tmp_path, make_method(Two)), kill)
    options = make_step(tmp_path, make_method()).options.model_copy(update={"resume": True})

    with pytest.raises(InvalidOptions, match="phase 2"):
        fit.fit(make_step(tmp_path, make_method(), options=options), ignore)


def test_what_end_leaves_in_the_buffers_of_a_method_gives_way_to_the_best_epochs(tmp_path: Path) -> None:
    class Marks(Method):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            self.register_buffer("mark", torch.zeros(()))
            self.seen: list[float] = []

        def end(self, student: nn.Module) -> None:
            self.mark.fill_(1.0)  # type: ignore[operator]

        def consolidate(self, *arguments: object) -> None:
            self.seen.append(self.mark.item())  # type: ignore[operator]

    method = make_method(Marks)

    fit.fit(make_step(tmp_path, method), ignore)

    assert method.seen == [0.0]
