"""What can go wrong with a run's folder, on the command line: other data, small scenes, two writers, bad weights."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from saticl import cli
from saticl.runs.lock import lock_step
from tests.launcher import launch
from tests.prepared import write_prepared

REPOSITORY = Path(__file__).resolve().parents[2]

SMALL = [
    "--model.encoder=test_resnet",
    "--trainer.batch-size=4",
    "--trainer.num-workers=0",
    "--trainer.max-epochs=1",
    "--tracking.uri=none",
    "--val-size=0.3",
    "--task.name=222a",
    "--name=run",
]


def invoke(*words: object) -> tuple[int, str]:
    """Exit code and everything printed, on one line."""
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join((result.stdout + result.stderr).split())


def train(tiles: Path, output: Path, *more: object) -> tuple[int, str]:
    return invoke("train", "--data-root", tiles, "--output-folder", output, *SMALL, *more)


def described(model: Path) -> dict[str, object]:
    """The metadata of a checkpoint."""
    with safe_open(model, framework="numpy") as archive:
        content: dict[str, object] = json.loads(archive.metadata()["saticl"])
    return content


@pytest.fixture(scope="module")
def first_step(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder with a finished step 0."""
    output = tmp_path_factory.mktemp("first_step")
    code, text = train(tiny_tiles, output)
    assert code == 0, text
    return output


def with_other_statistics(tiles: Path, copy: Path, mean: list[float], std: list[float]) -> Path:
    """The same tiles, whose manifest says something else of their pixels."""
    shutil.copytree(tiles, copy)
    manifest = json.loads((copy / "dataset.json").read_text())
    manifest["statistics"] = {"mean": mean, "std": std}
    (copy / "dataset.json").write_text(json.dumps(manifest))
    return copy


def test_a_later_step_keeps_the_statistics_of_the_first_and_says_which_bands_are_far_from_them(
    first_step: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    output = shutil.copytree(first_step, tmp_path / "output")
    other = with_other_statistics(tiny_tiles, tmp_path / "other", [100.0, 170.0, 110.0], [50.0, 50.0, 20.0])

    code, text = train(other, output, "--task.step=1")

    run = output / "potsdam/222a/run"
    before, after = (described(run / f"step-{step}" / "model.safetensors") for step in (0, 1))
    assert code == 0, text
    assert (after["mean"], after["std"]) == (before["mean"], before["std"])
    assert "green: 170 ± 50 instead of 100 ± 50; blue: 110 ± 20 instead of 100 ± 50" in text
    assert "red:" not in text


def test_blanked_bands_of_a_later_step_have_the_mean_that_normalises_to_zero(
    first_step: Path, tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saticl.commands import assembly

    fills = []
    real = assembly.Augment
    monkeypatch.setattr(assembly, "Augment", lambda *a, **k: fills.append(tuple(k["fill"])) or real(*a, **k))
    output = shutil.copytree(first_step, tmp_path / "output")
    other = with_other_statistics(tiny_tiles, tmp_path / "other", [1.0, 2.0, 3.0], [50.0] * 3)

    assert train(other, output, "--task.step=1")[0] == 0
    assert fills == [(100.0, 100.0, 100.0)]


def test_the_same_statistics_are_no_reason_for_a_warning(first_step: Path, tiny_tiles: Path, tmp_path: Path) -> None:
    output = shutil.copytree(first_step, tmp_path / "output")

    code, text = train(tiny_tiles, output, "--task.step=1")

    assert code == 0, text
    assert "Warning" not in text


def test_scenes_smaller_than_a_tile_are_trained_scored_and_drawn(tmp_path: Path) -> None:
    write_prepared(tmp_path / "tiles", size=128)  # scenes are 96 x 80

    code, text = train(tmp_path / "tiles", tmp_path / "output")
    assert code == 0, text
    run = tmp_path / "output/potsdam/222a/run"
    code, text = invoke("test", "--run", run, "--num-workers=0", "--panels=2", "--predictions")

    assert code == 0, text
    assert (run / "step-0/figures/panels-test.png").is_file()


def test_weights_that_are_not_finite_are_never_sealed(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saticl.engine import fit

    real = fit.validate

    def spoil(episode: fit.Episode, *more: object) -> object:
        with torch.no_grad():
            next(episode.step.student.parameters()).fill_(float("nan"))
        return real(episode, *more)

    monkeypatch.setattr(fit, "validate", spoil)

    code, text = train(tiny_tiles, tmp_path)

    assert code == 2, text
    assert "are NaN or infinite" in text
    assert "lower --optimizer.lr" in text
    assert not list(tmp_path.rglob("model.safetensors"))


def test_a_learning_rate_that_is_far_too_large_is_no_success(tiny_tiles: Path, tmp_path: Path) -> None:
    code, text = train(tiny_tiles, tmp_path, "--optimizer.lr=1e6", "--trainer.max-iterations=3", "--method=ft")

    models = list(tmp_path.rglob("model.safetensors"))
    assert code in (0, 2), text
    assert (code == 0) == bool(models)
    assert all(tensor.isfinite().all() for model in models for tensor in load_file(model).values())


def test_weights_that_are_not_finite_are_not_scored(first_step: Path, tmp_path: Path) -> None:
    run = shutil.copytree(first_step / "potsdam/222a/run", tmp_path / "run")
    model = run / "step-0/model.safetensors"
    weights = load_file(model)
    weights["classifier.heads.0.bias"][0] = float("inf")
    with safe_open(model, framework="pt") as archive:
        metadata = archive.metadata()
    save_file(weights, model, metadata)

    code, text = invoke("test", "--run", run, "--num-workers=0")

    assert code == 2, text
    assert "are NaN or infinite (classifier.heads.0.bias" in text


@contextmanager
def running(*words: object) -> Iterator[subprocess.Popen[bytes]]:
    """run.py as a process of its own, killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "run.py", *map(str, words)],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_step_has_one_writer_and_a_killed_one_leaves_the_way_free(tiny_tiles: Path, tmp_path: Path) -> None:
    step = tmp_path / "potsdam/222a/run/step-0"
    long = ["--trainer.max-epochs=10000", "--trainer.num-workers=1"]
    with running("train", "--data-root", tiny_tiles, "--output-folder", tmp_path, *SMALL, *long):
        deadline = time.monotonic() + 120
        while not (step / "last/state.pt").is_file():
            assert time.monotonic() < deadline, "the first training never came to its first epoch"
            time.sleep(0.1)
        code, text = train(tiny_tiles, tmp_path, "--trainer.resume", *long)
        assert code == 2, text
        assert f"Another training is writing to {step} at this moment" in text

    code, text = train(tiny_tiles, tmp_path, "--trainer.resume", "--trainer.max-epochs=1")

    assert code == 0, text
    assert (step / "model.safetensors").is_file()


@pytest.mark.slow
def test_all_processes_of_a_launcher_hear_that_the_folder_is_taken(tiny_tiles: Path, tmp_path: Path) -> None:
    lock = lock_step(tmp_path / "potsdam/222a/run/step-0")
    try:
        result = launch(2, "run.py", "train", "--data-root", tiny_tiles, "--output-folder", tmp_path, *SMALL)
    finally:
        lock.release()

    text = " ".join(result.stderr.split())
    assert result.returncode != 0  # and it came to an end: nobody waits for a process that has left
    assert "Error: Another training is writing to" in text
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".lock"]


def test_a_step_that_began_while_this_one_was_prepared_is_not_overwritten(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saticl.commands import train as command

    real = command.build_step

    def slow(*words: object) -> object:
        monkeypatch.setattr(command, "build_step", real)
        assert train(tiny_tiles, tmp_path)[0] == 0  # the other one is faster
        return real(*words)

    monkeypatch.setattr(command, "build_step", slow)

    code, text = train(tiny_tiles, tmp_path, "--comment=second")

    assert code == 2, text
    assert "already holds this step" in text
    assert "second" not in (tmp_path / "potsdam/222a/run/step-0/config.yaml").read_text()
