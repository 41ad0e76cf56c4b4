"""What the engine makes of the phases that a method names."""

import gc
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from saticl.engine import fit
from saticl.errors import InvalidOptions
from saticl.methods.base import Method
from saticl.methods.phases import Phase
from saticl.methods.rotation import Rotated
from saticl.options import AugOptions
from saticl.runs.journal import Epoch
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


@pytest.mark.parametrize("aug", [None, AugOptions(factor=0.1)], ids=["alone", "rotated"])
def test_a_method_without_phases_is_told_so(aug: AugOptions | None, tmp_path: Path) -> None:
    class Nothing(Method):
        def phases(self) -> Sequence[Phase]:
            return ()

    inner = make_method(Nothing)

    with pytest.raises(InvalidOptions, match="phases"):
        fit.fit(make_step(tmp_path, inner if aug is None else Rotated(inner, aug)), ignore)


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
