"""Two processes do what one does: the same losses, weights and scores from the same total batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from affine import Affine
from safetensors.torch import load_file

from saticl.geo import raster
from saticl.methods import METHODS
from tests.e2e.test_predict import write_model
from tests.launcher import REPOSITORY, finished, free_port, launch, launcher, start
from tests.unit.losses.test_promises import ALL

OWN_PART_MATTERS = {"rcil"}
"""Its network has batch norm, which sees the images of one process: it agrees where all parts are alike."""

OF_NO_BATCH = {"weighted_absence", "row_overlap"}
"""Losses of features that were drawn and of rows: all processes have the same, and hold no parts of them."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, str], Path]:
    """Folders of losses and weights by number of processes and kind of batch."""
    folders = {}
    for processes in (1, 2):
        for kind in ("distinct", "repeated"):
            folder = tmp_path_factory.mktemp(f"{kind}-{processes}")
            result = launch(processes, "-m", "tests.processes", folder, kind)
            assert result.returncode == 0, result.stderr[-3000:]
            assert (folder / "processes").read_text() == str(processes)
            folders[processes, kind] = folder
    return folders


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, torch.Tensor]]:
    """Values and gradients of all losses, from one process and from two."""
    found = []
    for processes in (1, 2):
        folder = tmp_path_factory.mktemp(f"losses-{processes}")
        result = launch(processes, "-m", "tests.processes", folder, "losses")
        assert result.returncode == 0, result.stderr[-3000:]
        found.append(load_file(folder / "losses.safetensors"))
    return found


@pytest.mark.parametrize("name", sorted(ALL.keys() - OF_NO_BATCH))
def test_a_loss_of_parts_is_that_of_the_whole_batch(name: str, losses: list[dict[str, torch.Tensor]]) -> None:
    """Value and gradient, whatever the parts hold."""
    alone, together = ({key: of[key] for key in of if key.split("-")[0] == name} for of in losses)

    assert len(alone) == 10
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [spec.name for spec in METHODS])
def test_losses_and_weights_are_those_of_one_process(name: str, curves: dict[tuple[int, str], Path]) -> None:
    kind = "repeated" if name in OWN_PART_MATTERS else "distinct"

    losses = [json.loads((curves[processes, kind] / f"{name}.json").read_text()) for processes in (1, 2)]
    weights = [load_file(curves[processes, kind] / f"{name}.safetensors") for processes in (1, 2)]

    assert losses[0] == pytest.approx(losses[1], rel=1e-5, abs=1e-7)
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-5, atol=1e-6)


def test_what_a_method_owns_is_averaged_as_the_student_is(tmp_path: Path) -> None:
    found = []
    for processes in (1, 2):
        (tmp_path / str(processes)).mkdir()
        result = launch(processes, "-m", "tests.processes", tmp_path / str(processes), "owned")
        assert result.returncode == 0, result.stderr[-3000:]
        found.append(load_file(tmp_path / str(processes) / "owned.safetensors"))

    assert abs(found[0]["method.scale"].item() - 1) > 1e-4
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)


def test_two_machines_do_what_one_does(tmp_path: Path) -> None:
    """Each with a launcher of its own; they meet at an address of the first."""
    port, words = free_port(), ["-m", "tests.processes"]
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    machines = [start([*launcher(2, port, 2, rank), *words, str(tmp_path / "two"), "owned"]) for rank in range(2)]
    for result in [*map(finished, machines), launch(1, *words, tmp_path / "one", "owned")]:
        assert result.returncode == 0, result.stderr[-3000:]

    one, two = (load_file(tmp_path / folder / "owned.safetensors") for folder in ("one", "two"))

    assert (tmp_path / "two/processes").read_text() == "2"
    torch.testing.assert_close(two, one, rtol=1e-5, atol=1e-6)


def test_all_processes_begin_with_what_the_first_one_grew(tmp_path: Path) -> None:
    result = launch(2, "-m", "tests.processes", tmp_path, "grown")
    assert result.returncode == 0, result.stderr[-3000:]

    first, second = (load_file(tmp_path / f"grown-{rank}.safetensors")["bias"] for rank in (0, 1))

    torch.testing.assert_close(second, first, rtol=0, atol=0)


def test_heads_are_solved_for_from_the_sums_of_all_processes(tmp_path: Path) -> None:
    found = []
    for processes in (1, 2):
        (tmp_path / str(processes)).mkdir()
        result = launch(processes, "-m", "tests.processes", tmp_path / str(processes), "solved")
        assert result.returncode == 0, result.stderr[-3000:]
        folder = tmp_path / str(processes)
        found += [load_file(folder / f"solved-{rank}.safetensors") for rank in range(processes)]

    alone, first, second = found
    torch.testing.assert_close(first, alone, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(second, first, rtol=0, atol=0)


def test_all_processes_validate_the_first_ones_statistics(tmp_path: Path) -> None:
    result = launch(2, "-m", "tests.processes", tmp_path, "statistics")
    assert result.returncode == 0, result.stderr[-3000:]

    before, validated = (
        [load_file(tmp_path / f"{when}-{rank}.safetensors") for rank in (0, 1)] for when in ("before", "validated")
    )

    mean = "body.decoder.1.running_mean"
    assert not torch.equal(before[0][mean], before[1][mean])
    torch.testing.assert_close(validated[1], validated[0], rtol=0, atol=0)
    assert torch.equal(validated[0][mean], before[0][mean])


def test_the_command_trains_and_scores_in_two_processes(tiny_tiles: Path, tmp_path: Path) -> None:
    trained = launch(
        2, "run.py", "train", "--data-root", tiny_tiles, "--output-folder", tmp_path, "--task.name=222a",
        "--model.encoder=test_resnet", "--trainer.batch-size=2", "--trainer.max-epochs=1", "--trainer.num-workers=0",
        "--tracking.uri=none", "--name=run",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr[-3000:]
    scored = launch(2, "run.py", "test", "--run", tmp_path / "potsdam/222a/run", "--num-workers=0", "--panels=0")
    assert scored.returncode == 0, scored.stderr[-3000:]

    matrix = json.loads((tmp_path / "potsdam/222a/run/step-0/confusion.json").read_text())["test"]["matrix"]
    scenes = json.loads((tiny_tiles / "dataset.json").read_text())["scenes"]
    assert np.sum(matrix) == sum(sum(scene["counts"]) for scene in scenes if scene["split"] == "test")
    assert trained.stdout.count("overall accuracy") == 1


def test_two_processes_write_the_maps_of_one(tmp_path: Path) -> None:
    run = write_model(tmp_path)
    image = np.random.default_rng(0).integers(0, 255, (3, 1100, 130), np.uint8)
    raster.write(tmp_path / "raw/long.tif", image, Affine(1, 0, 5e5, 0, -1, 58e5), raster.parse_crs("EPSG:32633"))
    for processes in (1, 2):
        words = ("--run", run, tmp_path / "raw/long.tif", "--dst", tmp_path / str(processes), "--size=128")
        result = launch(processes, "run.py", "predict", *words, "--confidence=entropy")
        assert result.returncode == 0, result.stderr[-3000:]
        assert result.stdout.count("what the map shows") == 1

    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert names == ["long.json", "long.tif", "long_confidence.tif", "predict.json"]
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_processes_that_do_not_know_each_other_are_refused(tiny_tiles: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "run.py", "train", "--data-root", tiny_tiles, "--output-folder", tmp_path],
        cwd=REPOSITORY,
        env={**os.environ, "WORLD_SIZE": "2"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 2
    assert "started 2 processes without a connection" in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []
