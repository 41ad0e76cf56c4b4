"""What the training loop promises, seen from outside: the weights and the journal that `train` leaves."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from typer.testing import CliRunner

from saticl import cli
from saticl.engine.state import Progress
from saticl.runs.journal import Epoch, Journal

SMALL = [
    "--model.encoder=test_resnet",
    "--model.dropout=0",
    "--trainer.batch-size=4",
    "--trainer.num-workers=0",
    "--tracking.uri=none",
    "--val-size=0.3",
    "--task.name=222a",
]
PLAIN_SGD = [
    "--method=ft",
    "--optimizer.target=sgd",
    "--optimizer.momentum=0",
    "--optimizer.weight-decay=0",
    "--scheduler.target=constant",
    "--trainer.max-epochs=1",
]
"""One epoch in which an update is the learning rate times the gradient, and nothing else."""
STILL = "--optimizer.lr=1e-30"
"""Weights stay as they were; statistics of norms still move."""


def train(tiles: Path, output: Path, *options: str, expected: int = 0) -> Path:
    """Train step 0 or what the options ask for; the run's folder."""
    words = ["train", "--data-root", str(tiles), "--output-folder", str(output), "--name=run", *SMALL, *options]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == expected, result.stdout + result.stderr + repr(result.exception)
    (run,) = output.glob("*/*/run")
    return run


def weights(run: Path, step: int = 0) -> dict[str, Tensor]:
    return load_file(run / f"step-{step}" / "model.safetensors")


def epochs(run: Path, step: int = 0) -> list[Epoch]:
    return Journal(run / f"step-{step}" / "journal.jsonl", enabled=False).epochs()


def bests(run: Path) -> list[bool | None]:
    """Of every epoch, whether its validation was the best; None where there was none."""
    return [None if epoch.validation is None else epoch.validation.best for epoch in epochs(run)]


def trained(state: dict[str, Tensor]) -> Tensor:
    """All trained weights as one vector in float64: what is left when the statistics of norms are taken away."""
    names = [name for name in sorted(state) if "running_" not in name and "num_batches" not in name]
    return torch.cat([state[name].double().flatten() for name in names])


def same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def script(patch: pytest.MonkeyPatch, *scores: float) -> None:
    """Give validations these scores, one after another; where they end, interrupt the program as Ctrl-C does."""
    remaining = list(scores)
    observe = Progress.observe

    def scripted(self: Progress, score: float) -> bool:
        if not remaining:
            raise KeyboardInterrupt
        return observe(self, remaining.pop(0))

    patch.setattr(Progress, "observe", scripted)


@pytest.fixture(scope="module")
def untrained(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    """The weights every run of step 0 starts from."""
    return trained(weights(train(tiny_tiles, tmp_path_factory.mktemp("untrained"), *PLAIN_SGD, STILL)))


@pytest.fixture(scope="module")
def first_step(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A first step that learned something."""
    return train(tiny_tiles, tmp_path_factory.mktemp("first"), "--method=ft", "--trainer.max-epochs=4")


def test_the_best_weights_are_kept_and_not_the_last(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        script(patch, 0.5, 0.7, 0.6, 0.69)
        run = train(
            tiny_tiles, tmp_path / "four", "--method=ft", "--scheduler.target=constant", "--trainer.max-epochs=4"
        )
    two = train(
        tiny_tiles, tmp_path / "two", "--method=ft", "--scheduler.target=constant", "--trainer.max-epochs=2",
        "--trainer.monitor=last",
    )  # fmt: skip

    assert bests(run) == [True, True, False, False]
    assert same(weights(run), weights(two))


def test_a_step_ends_after_as_many_validations_without_improvement_as_patience_says(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, 0.5, 0.4, 0.6, 0.6, 0.1, 0.5)

    run = train(tiny_tiles, tmp_path, *PLAIN_SGD, STILL, "--trainer.max-epochs=9", "--trainer.patience=2")

    assert bests(run) == [True, False, True, False, False]


def test_the_last_validation_counts_however_rarely_there_is_one(tiny_tiles: Path, tmp_path: Path) -> None:
    run = train(tiny_tiles, tmp_path, *PLAIN_SGD, STILL, "--trainer.max-epochs=5", "--trainer.validate-every=2")

    assert [epoch.epoch for epoch in epochs(run) if epoch.validation is not None] == [2, 4, 5]


def test_plateau_is_told_how_validations_went(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, 0.5, 0.4, 0.6, 0.5, 0.5)
    plateau = ["--scheduler.target=plateau", "--scheduler.patience=1", "--scheduler.gamma=0.5", "--optimizer.lr=0.008"]

    run = train(tiny_tiles, tmp_path, *PLAIN_SGD, *plateau, "--trainer.max-epochs=5")

    assert [epoch.lr for epoch in epochs(run)] == pytest.approx([0.008, 0.008, 0.004, 0.004, 0.002])


def test_batches_left_over_at_the_end_of_an_epoch_move_the_weights(
    tiny_tiles: Path, tmp_path: Path, untrained: Tensor
) -> None:
    run = train(tiny_tiles, tmp_path, *PLAIN_SGD, "--trainer.accumulate=1000", "--optimizer.lr=0.1")

    assert (trained(weights(run)) - untrained).norm() > 1e-8


def test_an_accumulated_update_is_the_mean_of_its_batches(tiny_tiles: Path, tmp_path: Path, untrained: Tensor) -> None:
    """With a rate so small that single updates hardly change the gradients of the next batches."""
    rate = "--optimizer.lr=1e-4"
    single = train(tiny_tiles, tmp_path / "single", *PLAIN_SGD, rate)
    batches = epochs(single)[0].costs.iterations
    together = train(tiny_tiles, tmp_path / "together", *PLAIN_SGD, rate, f"--trainer.accumulate={batches}")

    moves = [trained(weights(run)) - untrained for run in (single, together)]

    assert batches > 1
    ratio = moves[0].norm() / moves[1].norm()
    assert ratio.item() == pytest.approx(batches, rel=0.1)
    assert torch.nn.functional.cosine_similarity(moves[0], moves[1], dim=0) > 0.95


def test_a_clipped_update_is_as_long_as_the_clip(tiny_tiles: Path, tmp_path: Path, untrained: Tensor) -> None:
    once = [*PLAIN_SGD, "--trainer.max-iterations=1", "--optimizer.lr=1"]
    run = train(tiny_tiles, tmp_path, *once, "--trainer.clip=0.001")

    assert (trained(weights(run)) - untrained).norm().item() == pytest.approx(0.001, rel=0.01)


def test_a_budget_of_iterations_ends_a_step_within_an_epoch(tiny_tiles: Path, tmp_path: Path) -> None:
    whole = epochs(train(tiny_tiles, tmp_path / "whole", *PLAIN_SGD, STILL))[0].costs.iterations
    budget = whole + 1

    run = train(
        tiny_tiles,
        tmp_path / "budget",
        *PLAIN_SGD,
        STILL,
        "--trainer.max-epochs=9",
        f"--trainer.max-iterations={budget}",
    )

    assert [epoch.costs.iterations for epoch in epochs(run)] == [whole, 1]


def test_a_later_step_is_validated_on_the_old_classes_that_the_previous_model_sees(
    tiny_tiles: Path, tmp_path: Path, first_step: Path
) -> None:
    """A student that is the teacher with new heads agrees with it where old classes are hidden."""
    previous = f"--task.step-checkpoint={first_step / 'step-0'}"
    still = ["--method=mib", "--task.step=1", "--trainer.max-epochs=1", STILL, "--optimizer.weight-decay=0"]

    (epoch,) = epochs(train(tiny_tiles, tmp_path, previous, *still), step=1)

    assert epoch.validation is not None
    assert epoch.validation.old_miou > 0.2


@pytest.mark.parametrize(("method", "step"), [("ewc", 0), ("rw", 0), ("plop", 1)])
def test_what_a_method_learned_before_an_interruption_is_not_lost(
    method: str, step: int, tiny_tiles: Path, tmp_path: Path, first_step: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [f"--method={method}", "--trainer.max-epochs=2", "--trainer.monitor=last", f"--task.step={step}"]
    if step > 0:
        options.append(f"--task.step-checkpoint={first_step / f'step-{step - 1}'}")
    whole = train(tiny_tiles, tmp_path / "whole", *options)
    with monkeypatch.context() as patch:
        script(patch, 0.5)
        train(tiny_tiles, tmp_path / "killed", *options, expected=130)
    resumed = train(tiny_tiles, tmp_path / "killed", *options, "--trainer.resume")

    assert same(weights(resumed, step), weights(whole, step))
    state = "method.safetensors"
    assert (resumed / f"step-{step}" / state).is_file() == (method != "plop")
    if method != "plop":
        assert same(*(load_file(run / f"step-{step}" / state) for run in (resumed, whole)))


def test_plateau_goes_on_where_it_was_interrupted(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plateau = ["--scheduler.target=plateau", "--scheduler.patience=1", "--scheduler.gamma=0.5", "--optimizer.lr=0.008"]
    options = [*PLAIN_SGD, *plateau, "--trainer.max-epochs=3"]
    with monkeypatch.context() as patch:
        script(patch, 0.5, 0.4)
        train(tiny_tiles, tmp_path, *options, expected=130)
    resumed = train(tiny_tiles, tmp_path, *options, "--trainer.resume")

    assert [epoch.lr for epoch in epochs(resumed)] == pytest.approx([0.008, 0.008, 0.004])
