"""Pascal VOC, ADE20K and Cityscapes through the command line: prepared in place, trained, tested, mapped."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from saticl.geo import raster
from saticl.tiles.index import read_index
from saticl.tiles.manifest import Manifest
from tests.e2e.test_training import invoke
from tests.layouts import write_ade20k, write_cityscapes, write_voc

OPTIONS = [
    *("--model.encoder=test_resnet", "--trainer.batch-size=2", "--trainer.num-workers=0", "--image-size=64"),
    *("--trainer.max-iterations=2", "--trainer.max-epochs=1", "--tracking.uri=none", "--val-size=0.4", "--name=run"),
]

FEW = {"voc": range(4), "ade20k": range(5), "cityscapes": (7, 8, 11, 0)}
"""Values in the masks: a class that no image shows would be refused, so the tasks learn these classes only."""

TASKS = {
    "voc": "few: {steps: [[aeroplane, bicycle], [bird]], background: background}",
    "ade20k": "few: {steps: [[wall, building], [sky, floor]]}",
    "cityscapes": "few: {steps: [[road, sidewalk], [building]]}",
}
WRITERS: dict[str, Callable[..., object]] = {
    "voc": write_voc,
    "ade20k": write_ade20k,
    "cityscapes": write_cityscapes,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder for a dataset, made once: raw files, a prepared folder, and a run of two steps of two iterations."""

    @cache
    def make(name: str) -> Path:
        root = tmp_path_factory.mktemp(name)
        WRITERS[name](root / "raw", values=FEW[name])
        code, text = invoke("prepare", "--dataset", name, "--src", root / "raw", "--dst", root / "tiles", "--jobs=1")
        assert code == 0, text
        (root / "few.yaml").write_text(TASKS[name])
        words = [
            "--data-root",
            root / "tiles",
            "--output-folder",
            root / "runs",
            "--task.protocols",
            root / "few.yaml",
        ]
        code, text = invoke("train", *words, "--task.name=few", "--task.step=all", *OPTIONS)
        assert code == 0, text
        return root

    return make


@pytest.fixture(params=list(WRITERS))
def run(request: pytest.FixtureRequest, made: Callable[[str], Path]) -> tuple[str, Path]:
    """The name of a dataset, and its folder."""
    return request.param, made(request.param)


def scored(root: Path, name: str, *words: str) -> np.ndarray:
    """The confusion matrix of the last step on the test images, rows truth."""
    found = root / "runs" / name / "few" / "run"
    code, text = invoke("test", "--run", found, "--num-workers=0", *words)
    assert code == 0, text
    return np.array(json.loads((found / "step-1" / "confusion.json").read_text())["test"]["matrix"])


def test_every_labelled_pixel_is_scored_once_and_every_image_has_its_map(run: tuple[str, Path]) -> None:
    name, root = run
    tiles = [tile for tile in read_index(root / "tiles") if tile.split == "test"]

    matrix = scored(root, name, "--panels=2", "--predictions")

    assert matrix.sum() == sum(sum(tile.counts) + tile.unlabelled for tile in tiles)
    folder = root / "runs" / name / "few" / "run" / "step-1"
    assert (folder / "figures" / "panels-test.png").is_file()
    for tile in tiles:
        with raster.opened(folder / "predictions-test" / f"{tile.id}.tif") as source:
            assert source.shape == (tile.window.height, tile.window.width)


def test_images_stay_where_they_are(run: tuple[str, Path]) -> None:
    name, root = run
    manifest = Manifest.load(root / "tiles")

    written = sorted(path.name for path in (root / "tiles" / "tiles").iterdir())
    grey = ["ADE_train_00000001_image.tif"] if name == "ade20k" else []
    assert written == sorted([*(f"{scene.id}_mask.tif" for scene in manifest.scenes), *grey])


def test_a_folder_of_originals_can_be_mapped(made: Callable[[str], Path], tmp_path: Path) -> None:
    name, root = "voc", made("voc")
    tile = next(tile for tile in read_index(root / "tiles") if tile.split == "test")
    image = Manifest.load(root / "tiles").locate(root / "tiles", tile.image)
    (tmp_path / "images").mkdir()
    shutil.copy(image, tmp_path / "images")

    code, text = invoke(
        "predict", "--run", root / "runs" / name / "few" / "run", tmp_path / "images", "--dst", tmp_path / "maps"
    )

    assert code == 0, text
    assert (tmp_path / "maps" / f"{image.stem}.png").is_file()


def test_pixels_of_no_class_are_background_or_not_known(made: Callable[[str], Path]) -> None:
    """Value 0 of ADE20K: both conventions of the field."""
    root = made("ade20k")
    tiles = [tile for tile in read_index(root / "tiles") if tile.split == "test"]
    shown = [sum(tile.counts[label] for tile in tiles) for label in range(4)]
    nothing = sum(tile.unlabelled for tile in tiles)
    assert nothing > 0

    found = {word: scored(root, "ade20k", "--panels=0", f"--unlabelled={word}") for word in ("ignore", "background")}

    assert found["ignore"].sum(axis=1).tolist() == [0, *shown]
    assert found["background"].sum(axis=1).tolist() == [nothing, *shown]


def test_originals_that_are_gone_are_one_sentence(made: Callable[[str], Path], tmp_path: Path) -> None:
    root = made("voc")
    shutil.copytree(root / "tiles", tmp_path / "tiles")
    manifest = Manifest.load(tmp_path / "tiles")
    manifest.model_copy(update={"roots": {"raw": str(tmp_path / "elsewhere")}}).save(tmp_path / "tiles")

    code, text = invoke("train", "--data-root", tmp_path / "tiles", "--output-folder", tmp_path / "runs", *OPTIONS)

    assert code == 2
    assert f"are images that lie in {tmp_path / 'elsewhere'}, but there is no such folder" in " ".join(text.split())
    assert not (tmp_path / "runs").exists()
