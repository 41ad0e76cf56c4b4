"""Training and testing through the command line on photographs that stay where they are, each of its own shape."""

import json
from pathlib import Path

import numpy as np
import pytest

from saticl.geo import raster
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import read_index
from saticl.tiles.manifest import Manifest, Statistics
from saticl.transforms import augment
from saticl.views import Views
from tests.e2e.test_training import invoke
from tests.originals import SHAPES, write_originals

OTHER = Statistics(mean=(7.0,) * 3, std=(1.0,) * 3)

OPTIONS = [
    "--model.encoder=test_resnet",
    "--trainer.batch-size=2",
    "--trainer.num-workers=0",
    "--trainer.max-iterations=2",
    "--trainer.max-epochs=1",
    "--tracking.uri=none",
    "--val-size=0.3",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photographs")
    write_originals(root)
    return root


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """Two steps of two iterations each, tested with maps."""
    words = ["--data-root", folder / "tiles", "--output-folder", folder / "runs", "--name=run", "--image-size=64"]
    code, text = invoke("train", *words, "--task.name=2s", "--task.step=all", *OPTIONS)
    assert code == 0, text
    found = folder / "runs" / "photos" / "2s" / "run"
    code, text = invoke("test", "--run", found, "--task.step=all", "--num-workers=0", "--panels=3", "--predictions")
    assert code == 0, text
    return found


def test_every_pixel_of_the_photographs_is_scored_once(run: Path, folder: Path) -> None:
    labelled = sum(sum(tile.counts) for tile in read_index(folder / "tiles") if tile.split == "test")

    for step in range(2):
        matrix = np.array(json.loads((run / f"step-{step}" / "confusion.json").read_text())["test"]["matrix"])
        assert matrix.sum() == labelled


def test_scores_do_not_depend_on_the_size_of_the_batches(run: Path) -> None:
    path = run / "step-1" / "confusion.json"
    before = np.array(json.loads(path.read_text())["test"]["matrix"])

    code, text = invoke("test", "--run", run, "--task.step=1", "--num-workers=0", "--panels=0", "--batch-size=1")

    assert code == 0, text
    assert np.abs(np.array(json.loads(path.read_text())["test"]["matrix"]) - before).sum() <= 4, "but for ties"


def test_every_photograph_has_a_map_of_its_own_shape(run: Path) -> None:
    for number, shape in enumerate(SHAPES):
        name = f"2007_{number + len(SHAPES):06d}.tif"
        with raster.opened(run / "step-1" / "predictions-test" / name) as source:
            assert source.shape == shape


def test_without_a_size_the_crops_are_asked_for(folder: Path) -> None:
    code, text = invoke("train", "--data-root", folder / "tiles", "--output-folder", folder / "none", *OPTIONS)

    assert code == 2
    assert "have different sizes: say with --image-size how large" in " ".join(text.split())
    assert not (folder / "none").exists()


def test_training_varies_images_as_the_manifest_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    views = Views(symmetries="none", crop="scale", scale=(0.75, 1.25))
    write_originals(tmp_path, views)
    used: list[Views] = []
    geometry = augment._geometry
    monkeypatch.setattr(
        augment, "_geometry", lambda size, views, maps: used.append(views) or geometry(size, views, maps)
    )

    code, text = invoke(
        "train", "--data-root", tmp_path / "tiles", "--output-folder", tmp_path / "runs", "--image-size=64", *OPTIONS
    )

    assert code == 0, text
    assert used == [views]


def test_scoring_fills_what_has_no_data_with_the_mean_of_the_model(
    run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder's own mean would not become zero in a model that was trained on another one."""
    manifest = Manifest.load(folder / "tiles")
    monkeypatch.setattr(Manifest, "load", lambda root: manifest.model_copy(update={"statistics": OTHER}))
    opened: list[TileDataset] = []
    monkeypatch.setattr(TileDataset, "__len__", lambda self: opened.append(self) or len(self.tiles))

    code, text = invoke("test", "--run", run, "--task.step=1", "--num-workers=0", "--panels=1", "--predictions")

    assert code == 0, text
    assert {one.fill for one in opened} == {manifest.statistics.mean}
