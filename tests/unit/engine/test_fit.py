"""What a method may do in a step, and what the engine does with it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from saticl.engine import episode, fit
from saticl.methods.base import Method, Network
from saticl.methods.phases import Phase
from saticl.methods.rotation import Rotated
from saticl.options import AugOptions, OptimizerOptions, SchedulerOptions, TrainerOptions
from saticl.runs.journal import Epoch
from saticl.types import Batch, Terms
from tests.steps import TASK, Batches, ignore, make_method, make_step
from tests.toy import ToySegmenter

TRAINER = TrainerOptions(channels_last=False, max_epochs=2)


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def trained(folder: Path, method: Method, **changes: object) -> ToySegmenter:
    step = make_step(folder, method, **changes)
    fit.fit(step, ignore)
    return step.student  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("asked", "processes", "synchronised"), [(True, 2, True), (True, 1, False), (False, 2, False)]
)
def test_norms_are_those_of_all_processes_where_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool, processes: int, synchronised: bool
) -> None:
    """Those that the method adds, too."""
    options = TrainerOptions(channels_last=False, sync_norms=asked)
    step = make_step(tmp_path, make_method(AddsNorm), options=options)
    monkeypatch.setattr(type(step.accelerator), "num_processes", processes)

    fit.grow(step)

    assert isinstance(step.student.added, nn.SyncBatchNorm) == synchronised


class AddsNorm(Method):
    """A batch norm that the plain network does not have."""

    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        student.added = nn.BatchNorm2d(3)


class Halves(Method):
    """Has the last word: all weights are halved."""

    def consolidate(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        with torch.no_grad():
            for parameter in student.parameters():
                parameter.mul_(0.5)


def test_what_consolidate_edits_stays(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", make_method())
    halved = trained(tmp_path / "halved", make_method(Halves))

    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(halved.get_parameter(name), 0.5 * parameter)


def test_consolidate_starts_from_the_best_weights_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Tensor]] = []

    class Looks(Method):
        def end(self, student: nn.Module) -> None:
            seen.append(weights(student))

        def consolidate(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
            seen.append(weights(student))

    monkeypatch.setattr("saticl.engine.state.Progress.observe", lambda progress, score: progress.epoch == 1)
    step = make_step(tmp_path, make_method(Looks))
    after: list[dict[str, Tensor]] = []
    fit.fit(step, lambda epoch: after.append(weights(step.student)))

    last, best = seen
    torch.testing.assert_close(last, after[1], rtol=0, atol=0)
    torch.testing.assert_close(best, after[0], rtol=0, atol=0)
    torch.testing.assert_close(weights(step.student), after[0], rtol=0, atol=0)


class Owns(Method):
    """A parameter and a buffer of its own."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("moves", torch.zeros(()))

    def terms(self, batch: Batch, student: Network, teacher: Network | None, generator: torch.Generator) -> Terms:
        found = super().terms(batch, student, teacher, generator)
        return {"ce": found["ce"] * self.scale.square()}

    def after_step(self, student: nn.Module) -> None:
        self.moves += 1


@pytest.mark.parametrize("aug", [None, AugOptions(factor=0.1)], ids=["alone", "rotated"])
def test_what_a_method_owns_is_trained_saved_and_resumed(aug: AugOptions | None, tmp_path: Path) -> None:
    def method() -> Method:
        inner = make_method(Owns)
        return inner if aug is None else Rotated(inner, aug)

    def own(whole: Method) -> Owns:
        return whole.inner if isinstance(whole, Rotated) else whole  # type: ignore[return-value]

    one, two = method(), method()
    whole = make_step(tmp_path / "whole", one)
    fit.fit(whole, ignore)
    half = make_step(tmp_path / "halves", method(), options=TRAINER.model_copy(update={"max_epochs": 1}))
    fit.fit(half, ignore)
    rest = make_step(tmp_path / "halves", two, options=TRAINER.model_copy(update={"resume": True}))
    fit.fit(rest, ignore)

    assert own(one).scale.item() != 1
    assert own(two).scale.item() == own(one).scale.item()
    assert own(two).moves.item() == own(one).moves.item() > 0
    torch.testing.assert_close(weights(rest.student), weights(whole.student), rtol=0, atol=0)


def test_what_a_method_owns_reaches_the_next_step_unless_it_does_not_fit() -> None:
    before, after = make_method(Owns), make_method(Owns)
    before.scale.data.fill_(3.0)

    after.import_state(before.export_state())

    assert after.scale.item() == 3
    with pytest.raises(fit.checkpoint.InvalidCheckpoint, match=r"scale of the shape \(2,\)"):
        after.import_state({"scale": torch.zeros(2)})


def test_after_step_comes_after_every_move_and_its_edits_stay(tmp_path: Path) -> None:
    class Clears(Method):
        def after_step(self, student: nn.Module) -> None:
            with torch.no_grad():
                student.heads[0].bias.zero_()  # type: ignore[index,union-attr]

    student = trained(tmp_path, make_method(Clears))

    assert student.heads[0].bias.abs().sum() == 0


class Grows(Method):
    """Adds a module that its terms use, and freezes the encoder."""

    @classmethod
    def rebuild(cls, student: nn.Module, task: object) -> None:
        student.adapter = nn.Conv2d(5, 5, 1)

    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        self.rebuild(student, self.task)
        student.body.encoder.requires_grad_(False)  # type: ignore[union-attr]

    def terms(self, batch: Batch, student: ToySegmenter, teacher: Network | None, generator: torch.Generator) -> Terms:  # type: ignore[override]
        pixels = student.adapter(student(batch.image).pixels)
        return {"ce": self.criterion(student.heads[0](pixels), batch.target[:, ::2, ::2].contiguous())}


def test_what_grows_before_the_optimiser_is_trained_and_what_it_freezes_is_not(tmp_path: Path) -> None:
    step = make_step(tmp_path, make_method(Grows))
    encoder = weights(step.student.body.encoder)  # type: ignore[arg-type]
    grown: list[dict[str, Tensor]] = []
    original = fit.start

    def noted(*arguments: object) -> fit.Episode:
        grown.append(weights(step.student.adapter))  # type: ignore[arg-type]
        return original(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "start", noted)
        fit.fit(step, ignore)

    torch.testing.assert_close(weights(step.student.body.encoder), encoder, rtol=0, atol=0)  # type: ignore[arg-type]
    assert not torch.equal(step.student.adapter.weight, grown[0]["weight"])  # type: ignore[union-attr]


def test_what_rests_keeps_its_statistics_in_every_epoch_and_all_else_trains(tmp_path: Path) -> None:
    class Rests(Method):
        def resting(self, student: nn.Module) -> Iterable[nn.Module]:
            return [student.body]  # type: ignore[list-item]

    seen: list[tuple[bool, bool]] = []
    step = make_step(tmp_path, make_method(Rests))
    step.student.body.decoder = nn.Sequential(nn.Conv2d(6, 5, 1), nn.BatchNorm2d(5))  # type: ignore[union-attr]
    step.student.register_forward_pre_hook(lambda student, _: seen.append((student.training, student.body.training)))

    fit.fit(step, ignore)

    assert seen.count((True, False)) == 6  # two epochs of three iterations; validation is all in evaluation mode
    assert (True, True) not in seen
    assert step.student.body.decoder[1].num_batches_tracked == 0  # type: ignore[union-attr,index]


def test_what_grows_is_moved_to_the_device(tmp_path: Path) -> None:
    nowhere = SimpleNamespace(device=torch.device("meta"), num_processes=1)
    step = make_step(tmp_path, make_method(Grows), accelerator=nowhere)

    fit.grow(step)

    assert {parameter.device.type for parameter in step.student.parameters()} == {"meta"}
    assert step.student.adapter.weight.is_meta  # type: ignore[union-attr]


class TwoPhases(Method):
    """First the heads by an optimiser of their own, then everything, heads at a tenth."""

    def phases(self) -> Sequence[Phase]:
        first = OptimizerOptions(target="sgd", lr=1.0, momentum=0.0, weight_decay=0.0)
        heads = {"": 0.0, "student.classifier.heads": 1.0}
        return (
            Phase("heads", max_epochs=1, optimizer=first, rates=heads),
            Phase("all", rates={"student.classifier.heads": 0.1}, scheduler=SchedulerOptions(target="cosine")),
        )


def test_phases_have_budgets_optimisers_and_rates_of_their_own(tmp_path: Path) -> None:
    states: list[dict[str, Tensor]] = []
    rates: list[float] = []
    step = make_step(tmp_path, make_method(TwoPhases))
    states.append(weights(step.student))

    def note(epoch: Epoch) -> None:
        states.append(weights(step.student))
        rates.append(epoch.lr)

    progress = fit.fit(step, note)

    assert (progress.epoch, progress.phase, progress.phase_epochs) == (3, 1, 2)
    start, heads, _, _ = states
    assert torch.equal(heads["body.encoder.weight"], start["body.encoder.weight"])
    assert not torch.equal(heads["classifier.heads.0.weight"], start["classifier.heads.0.weight"])
    assert not torch.equal(states[2]["body.encoder.weight"], start["body.encoder.weight"])
    assert rates[0] == 1.0
    assert rates[1:] == pytest.approx([0.1 * 0.75, 0.1 * (0.5 - 0.5 * 0.8660254)], abs=1e-6)
    assert all(parameter.requires_grad for parameter in step.student.parameters())


def test_the_rate_of_a_parameter_is_that_of_the_longest_beginning() -> None:
    phase = Phase(rates={"": 0.5, "student.": 2.0, "student.classifier.heads": 0.0})

    assert [phase.rate(name) for name in ("method.a", "student.body", "student.classifier.heads.0.bias")] == [
        0.5,
        2.0,
        0.0,
    ]
    assert Phase().rate("anything") == 1.0


def test_a_phase_moves_each_group_by_its_own_factor(tmp_path: Path) -> None:
    class Factors(Method):
        def phases(self) -> Sequence[Phase]:
            return (Phase(max_iterations=1, max_epochs=1, rates={"student.classifier.heads": 0.1}),)

    def moved(folder: str, kind: type[Method]) -> dict[str, Tensor]:
        options = TRAINER.model_copy(update={"max_iterations": 1, "max_epochs": 1})
        step = make_step(tmp_path / folder, make_method(kind), options=options)
        before = weights(step.student)
        fit.fit(step, ignore)
        return {name: value - before[name] for name, value in weights(step.student).items()}

    plain, factors = moved("plain", Method), moved("factors", Factors)

    torch.testing.assert_close(factors["body.encoder.weight"], plain["body.encoder.weight"])
    torch.testing.assert_close(
        factors["classifier.heads.0.weight"], 0.1 * plain["classifier.heads.0.weight"], rtol=1e-4, atol=1e-7
    )


def test_the_next_phase_starts_from_the_best_weights_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twice(Method):
        def phases(self) -> Sequence[Phase]:
            return Phase("one"), Phase("two")

    monkeypatch.setattr("saticl.engine.state.Progress.observe", lambda progress, score: progress.phase_epochs == 1)
    step, started, ended = make_step(tmp_path, make_method(Twice)), [], []
    original = fit.start

    def noted(*arguments: object) -> fit.Episode:
        started.append(weights(step.student))
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(fit, "start", noted)
    fit.fit(step, lambda epoch: ended.append(weights(step.student)))

    torch.testing.assert_close(started[1], ended[0], rtol=0, atol=0)


@pytest.mark.parametrize("killed_after", [1, 2])
def test_a_step_of_two_phases_resumes_to_the_same_weights(killed_after: int, tmp_path: Path) -> None:
    whole = make_step(tmp_path / "whole", make_method(TwoPhases))
    fit.fit(whole, ignore)

    def kill(epoch: Epoch) -> None:
        if epoch.epoch == killed_after + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit.fit(make_step(tmp_path / "killed", make_method(TwoPhases)), kill)
    options = TRAINER.model_copy(update={"resume": True})
    rest = make_step(tmp_path / "killed", make_method(TwoPhases), options=options)
    fit.fit(rest, ignore)

    torch.testing.assert_close(weights(rest.student), weights(whole.student), rtol=0, atol=0)


def test_the_last_group_of_accumulated_batches_divides_by_what_it_holds(tmp_path: Path) -> None:
    groups = [episode.Group.of(index, accumulate=2, length=5) for index in range(5)]

    assert groups == [(2, False), (2, True), (2, False), (2, True), (1, True)]

    accumulated = make_step(tmp_path / "a", make_method(), 3, options=TRAINER.model_copy(update={"accumulate": 2}))
    slow = make_step(tmp_path / "b", make_method(), 3)
    learner = fit.Learner(accumulated.student, accumulated.method)
    fit.run(fit.start(accumulated, Phase(max_epochs=1), learner), fit.Progress(), ignore)
    loader = Batches(3)
    loader.go_to(1)
    first, second, third = loader
    for group in ((first, second), (third,)):
        slow.student.zero_grad()
        losses = [slow.method.initial(slow.student(batch.image), batch.target.long())["ce"] for batch in group]
        torch.stack(losses).mean().backward()
        with torch.no_grad():
            for parameter in slow.student.parameters():
                parameter.sub_(0.1 * parameter.grad)

    torch.testing.assert_close(weights(accumulated.student), weights(slow.student), rtol=1e-5, atol=1e-7)


def test_clipping_limits_the_move_of_student_and_method_together(tmp_path: Path) -> None:
    options = TRAINER.model_copy(update={"clip": 1e-3, "max_iterations": 1})
    step = make_step(tmp_path, make_method(Owns), options=options)
    before = torch.cat([value.flatten() for value in [*step.student.parameters(), *step.method.parameters()]]).clone()

    fit.fit(step, ignore)

    after = torch.cat([value.flatten() for value in [*step.student.parameters(), *step.method.parameters()]])
    assert (after - before).norm().item() == pytest.approx(0.1 * 1e-3, rel=1e-3)


def test_gradients_of_half_precision_are_unscaled_once(tmp_path: Path) -> None:
    options = TRAINER.model_copy(update={"clip": 1e3, "max_iterations": 1})
    plain, scaled = (make_step(tmp_path / name, make_method(), options=options) for name in ("plain", "scaled"))
    fit.fit(plain, ignore)
    scaled.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaled.accelerator.native_amp = True
    scaled.accelerator.state._mixed_precision = "fp16"
    try:
        fit.fit(scaled, ignore)
    finally:
        scaled.accelerator.state._mixed_precision = "no"

    torch.testing.assert_close(weights(scaled.student), weights(plain.student), rtol=1e-2, atol=1e-3)


def test_a_method_with_terms_of_its_own_is_rotated_too() -> None:
    class Own(Method):
        def terms(self, batch: Batch, student: Network, teacher: Network | None, generator: torch.Generator) -> Terms:
            return {"mine": student(batch.image).logits.square().mean() + student(batch.image).pixels.mean() * 0}

    calls: list[Tensor] = []
    student = ToySegmenter(TASK.head_sizes)
    student.register_forward_pre_hook(lambda module, arguments: calls.append(arguments[0]))
    batch = next(iter(Batches(1)))

    terms = Rotated(make_method(Own), AugOptions(factor=0.1, factor_icl=0.1)).terms(
        batch, student, None, torch.Generator().manual_seed(0)
    )

    assert set(terms) == {"mine", "rotation"}
    assert len(calls) == 2
    assert calls[0] is batch.image
