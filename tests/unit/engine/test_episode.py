"""An epoch in numbers, a validation, and when a phase is over."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from saticl.engine import checkpoint, episode, fit
from saticl.engine.state import Progress
from saticl.methods.base import Method, Network
from saticl.methods.phases import Phase
from saticl.options import OptimizerOptions, TrainerOptions
from saticl.types import Batch, Terms
from tests.steps import Batches, make_method, make_step

TRAINER = TrainerOptions(channels_last=False, max_epochs=2)


def started(folder: Path, phase: Phase | None = None, method: Method | None = None, **changes: object) -> fit.Episode:
    step = make_step(folder, method or make_method(), **changes)
    return fit.start(step, phase or Phase(), fit.Learner(step.student, step.method))


def trainer(**changes: object) -> dict[str, object]:
    return {"options": TRAINER.model_copy(update=changes)}


@pytest.mark.parametrize(
    ("progress", "finished"),
    [
        (Progress(epoch=2, iteration=6), False),
        (Progress(epoch=3, iteration=6), True),
        (Progress(epoch=2, iteration=7), True),
        (Progress(epoch=2, iteration=6, stalled=1), False),
        (Progress(epoch=2, iteration=6, stalled=2), True),
        (Progress(epoch=5, iteration=16, phase=1, first_epoch=3, first_iteration=10), False),
        (Progress(epoch=6, iteration=16, phase=1, first_epoch=3, first_iteration=10), True),
        (Progress(epoch=5, iteration=17, phase=1, first_epoch=3, first_iteration=10), True),
    ],
)
def test_a_phase_ends_with_its_epochs_its_iterations_or_patience(
    progress: Progress, finished: bool, tmp_path: Path
) -> None:
    one = started(tmp_path, Phase(max_epochs=3, max_iterations=7), **trainer(patience=2, max_epochs=9))

    assert one.is_finished(progress) is finished
    if finished:
        assert one.is_due(progress)


def test_validations_come_every_so_often_counted_from_the_start_of_the_phase(tmp_path: Path) -> None:
    one = started(tmp_path, Phase(max_epochs=5), **trainer(validate_every=2))

    due = [one.is_due(Progress(epoch=3 + epoch, first_epoch=3)) for epoch in range(1, 6)]

    assert due == [False, True, False, True, True]


class Counted(Method):
    """Terms are numbers of the calls so far; a penalty with every move."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.calls = 0
        self.modes: list[bool] = []

    def terms(self, batch: Batch, student: Network, teacher: Network | None, generator: torch.Generator) -> Terms:
        self.calls += 1
        self.modes.append(student.training)  # type: ignore[attr-defined]
        still = 0 * student(batch.image).logits.sum()
        return {"calls": still + self.calls, "one": still + 1.0}

    def after_backward(self, student: nn.Module) -> Terms:
        assert all(parameter.grad is not None for parameter in student.parameters())
        return {"move": torch.tensor(5.0)}


def test_an_epoch_tells_the_means_of_its_terms_their_sum_its_rate_and_its_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 104.0])
    monkeypatch.setattr("saticl.engine.episode.time.perf_counter", lambda: next(clock))
    monkeypatch.setattr("saticl.engine.episode.peak_memory_mb", lambda device: 7.0 if device.type == "cpu" else 0.0)
    method = make_method(Counted)
    phase = Phase(max_epochs=1, optimizer=OptimizerOptions(target="sgd", lr=0.5, momentum=0.0))
    one, progress = started(tmp_path, phase, method, iterations=4, **trainer(accumulate=2)), Progress(iteration=8)
    one.learner.eval()

    record = episode.train_epoch(one, progress, 3)

    assert (record.epoch, record.terms, record.loss) == (3, {"calls": 2.5, "one": 1.0, "move": 5.0}, 8.5)
    assert record.lr == 0.5
    assert record.costs.model_dump(exclude={"format"}) == {
        "images_per_s": 2.0,
        "seconds": 4.0,
        "iterations": 4,
        "peak_memory_mb": 7.0,
    }
    assert progress.iteration == 12
    assert method.modes == [True] * 4  # type: ignore[attr-defined]


def test_an_epoch_stops_where_the_iterations_of_its_phase_are_used_up(tmp_path: Path) -> None:
    one = started(tmp_path, Phase(max_iterations=6), iterations=4)

    whole = episode.train_epoch(one, Progress(iteration=12, first_iteration=10), 2)
    cut = episode.train_epoch(one, Progress(iteration=14, first_iteration=10), 2)

    assert (whole.costs.iterations, cut.costs.iterations) == (4, 2)


class Bar:
    """An epoch bar that remembers."""

    def __init__(self, epoch: int, length: int, done: int, enabled: bool) -> None:
        self.made, self.images, self.shown = (epoch, length, done, enabled), [], []

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *arguments: object) -> None: ...

    def advance(self, images: int) -> None:
        self.images.append(images)

    def show(self, values: dict[str, float]) -> None:
        self.shown.append(values)


def test_the_bar_counts_images_and_shows_means_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[Bar] = []
    monkeypatch.setattr("saticl.engine.episode.EpochBar", lambda *a, **k: bars.append(Bar(*a, **k)) or bars[0])
    monkeypatch.setattr("saticl.engine.episode.CHECK_EVERY", 3)
    one = started(tmp_path, method=make_method(Counted), iterations=7)

    episode.train_epoch(one, Progress(), 2)

    assert bars[0].made == (2, 7, 0, True)
    assert bars[0].images == [2] * 7
    assert [values["calls"] for values in bars[0].shown] == [2.0, 3.5]


class Draws(Method):
    """Notes what the shared generator gives."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.drawn: list[float] = []

    def terms(self, batch: Batch, student: Network, teacher: Network | None, generator: torch.Generator) -> Terms:
        self.drawn.append(torch.rand((), generator=generator).item())
        return super().terms(batch, student, teacher, generator)


def test_turns_are_drawn_from_the_seed_the_step_and_the_epoch(tmp_path: Path) -> None:
    def drawn(folder: str, epoch: int, seed: int) -> list[float]:
        method = make_method(Draws)
        episode.train_epoch(started(tmp_path / folder, method=method, seed=seed), Progress(), epoch)
        return method.drawn  # type: ignore[attr-defined, no-any-return]

    first = drawn("a", 1, 0)

    assert first == drawn("b", 1, 0)
    assert first != drawn("c", 2, 0)
    assert first != drawn("d", 1, 1)


class Maps(Batches):
    """Batches with a map of their own."""

    def __iter__(self) -> Iterator[Batch]:
        for batch in super().__iter__():
            yield Batch(batch.image, batch.target, {"height": batch.image[:, 0]})


@pytest.mark.parametrize("channels_last", [True, False])
def test_batches_arrive_normalised_with_long_labels_and_maps_as_they_are(channels_last: bool, tmp_path: Path) -> None:
    class Doubles(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return 2 * image

    step = make_step(
        tmp_path, make_method(), training=Maps(2), normalize=Doubles(), **trainer(channels_last=channels_last)
    )
    expected = Maps(2)
    expected.go_to(5)

    for ours, theirs in zip(episode.device_batches(step, 5), expected, strict=True):
        assert ours.image.equal(2 * theirs.image)
        assert ours.image.is_contiguous(memory_format=torch.channels_last) is channels_last
        assert ours.target.dtype == torch.int64
        assert ours.target.equal(theirs.target.long())
        assert ours.maps["height"].equal(theirs.image[:, 0])


class Sees(Method):
    """Sees the class it is told to, everywhere."""

    answer = 0

    @classmethod
    def classes(cls, output: object) -> Tensor:
        return torch.full((2, 8, 8), cls.answer)


def test_a_validation_scores_given_targets_by_the_methods_classes_and_keeps_the_best_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sees, "answer", 2)
    half = torch.ones(2, 8, 8, dtype=torch.uint8)
    half[:, :4] = 2
    one = started(tmp_path, method=make_method(Sees), targets=[half])
    progress = Progress(epoch=1, phase=1)

    result = episode.validate(one, progress)

    assert result.miou == pytest.approx(0.25)  # of class 1 nothing, of class 2 half
    assert result.new_miou == pytest.approx(0.25)
    assert result.f1 == pytest.approx(1 / 3)
    assert result.old_miou != result.old_miou
    assert result.best
    assert (progress.best_score, progress.best_epoch) == (pytest.approx(0.25), 1)
    best = checkpoint.load_tensors(one.step.best(1))
    assert {*best} == {*one.bare.state_dict()}
    assert best["student.body.encoder.weight"].equal(one.step.student.body.encoder.weight)  # type: ignore[union-attr,arg-type]
    assert not episode.validate(one, Progress(epoch=2, best_score=0.3)).best
    assert not one.step.best(0).exists()


@pytest.mark.parametrize(("monitor", "score"), [("miou", 0.25), ("f1", 1 / 3), ("last", 4.0)])
def test_the_monitored_number_decides(
    monitor: str, score: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sees, "answer", 2)
    half = torch.ones(2, 8, 8, dtype=torch.uint8)
    half[:, :4] = 2
    one = started(tmp_path, method=make_method(Sees), targets=[half], **trainer(monitor=monitor))
    progress = Progress(epoch=4)

    episode.validate(one, progress)

    assert progress.best_score == pytest.approx(score)


def test_without_truth_of_a_new_class_the_last_weights_are_kept(tmp_path: Path) -> None:
    """The best by old classes alone would be those that have learned least."""
    one, progress = started(tmp_path, targets=[torch.zeros(2, 8, 8, dtype=torch.uint8)]), Progress(epoch=1, stalled=3)

    for epoch in (1, 2):
        progress.epoch = epoch
        assert episode.validate(one, progress).best
        assert (progress.best_epoch, progress.stalled) == (epoch, 0)


def test_patience_does_not_count_where_the_last_weights_are_wanted(tmp_path: Path) -> None:
    one = started(tmp_path, **trainer(monitor="last"))
    progress = Progress(epoch=1, best_score=9.0, stalled=3)

    episode.validate(one, progress)

    assert progress.stalled == 0
    kept = Progress(epoch=1, best_score=9.0, stalled=3)
    episode.validate(started(tmp_path / "miou"), kept)
    assert kept.stalled == 4
