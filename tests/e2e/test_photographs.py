"""Pascal VOC, ADE20K and Cityscapes through the command line: prepared in place, trained, tested, mapped."""

import json
import shutil
from collections.abc import Callable
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


@pytest.fixture(scope="module", params=list(WRITERS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A dataset, and a folder with its raw files, its prepared folder and a run of two steps of two iterations."""
    name: str = request.param
    root = tmp_path_factory.mktemp(name)
    WRITERS[name](root / "raw", values=FEW[name])
    code, text = invoke("prepare", "--dataset", name, "--src", root / "raw", "--dst", root / "tiles", "--jobs=1")
    assert code == 0, text
    (root / "few.yaml").write_text(TASKS[name])
    words = ["--data-root", root / "tiles", "--output-folder", root / "runs", "--task.protocols", root / "few.yaml"]
    code, text = invoke("train", *words, "--task.name=few", "--task.step=all", *OPTIONS)
    assert code == 0, text
    found = root / "runs" / name / "few" / "run"
    code, text = invoke("test", "--run", found, "--task.step=all", "--num-workers=0", "--panels=2", "--predictions")
    assert code == 0, text
    return name, root


def matrix(root: Path, name: str, step: int) -> np.ndarray:
    path = root / "runs" / name / "few" / "run" / f"step-{step}" / "confusion.json"
    return np.array(json.loads(path.read_text())["test"]["matrix"])


def test_every_labelled_pixel_of_the_test_images_is_scored_once(run: tuple[str, Path]) -> None:
    name, root = run
    tiles = [tile for tile in read_index(root / "tiles") if tile.split == "test"]

    pixels = sum(sum(tile.counts) + tile.unlabelled for tile in tiles)
    assert [int(matrix(root, name, step).sum()) for step in range(2)] == [pixels, pixels]


def test_images_stay_where_they_are_and_maps_have_their_shapes(run: tuple[str, Path]) -> None:
    name, root = run
    manifest = Manifest.load(root / "tiles")
    folder = root / "runs" / name / "few" / "run" / "step-1"

    written = sorted(path.name for path in (root / "tiles" / "tiles").iterdir())
    grey = ["ADE_train_00000001_image.tif"] if name == "ade20k" else []
    assert written == sorted([*(f"{scene.id}_mask.tif" for scene in manifest.scenes), *grey])
    assert (folder / "figures" / "panels-test.png").is_file()
    for tile in (tile for tile in read_index(root / "tiles") if tile.split == "test"):
        with raster.opened(folder / "predictions-test" / f"{tile.id}.tif") as source:
            assert source.shape == (tile.window.height, tile.window.width)


def test_a_folder_of_originals_can_be_mapped(run: tuple[str, Path], tmp_path: Path) -> None:
    name, root = run
    tile = next(tile for tile in read_index(root / "tiles") if tile.split == "test")
    image = Manifest.load(root / "tiles").locate(root / "tiles", tile.image)
    (tmp_path / "images").mkdir()
    shutil.copy(image, tmp_path / "images")

    code, text = invoke(
        "predict", "--run", root / "runs" / name / "few" / "run", tmp_path / "images", "--dst", tmp_path / "maps"
    )

    assert code == 0, text
    assert (tmp_path / "maps" / f"{image.stem}.png").is_file()


def test_pixels_of_no_class_are_background_or_not_known(tmp_path: Path) -> None:
    """ADE20K's value 0: both conventions of the field, in training and in scoring."""
    write_ade20k(tmp_path / "raw", train=4, test=2, values=range(3))
    code, text = invoke(
        "prepare", "--dataset=ade20k", "--src", tmp_path / "raw", "--dst", tmp_path / "tiles", "--jobs=1"
    )
    assert code == 0, text
    (tmp_path / "few.yaml").write_text("few: {steps: [[wall, building]]}")
    words = ["--data-root", tmp_path / "tiles", "--task.protocols", tmp_path / "few.yaml", "--task.name=few", *OPTIONS]
    code, text = invoke("train", *words, "--output-folder", tmp_path / "runs", "--unlabelled=ignore")
    assert code == 0, text
    tiles = [tile for tile in read_index(tmp_path / "tiles") if tile.split == "test"]

    found = []
    for convention in ("ignore", "background"):
        run = tmp_path / "runs" / "ade20k" / "few" / "run"
        code, text = invoke("test", "--run", run, "--num-workers=0", "--panels=0", f"--unlabelled={convention}")
        assert code == 0, text
        counts = json.loads((run / "step-0" / "confusion.json").read_text())["test"]["matrix"]
        found.append(np.array(counts).sum(axis=1).tolist())

    classes = [sum(tile.counts[label] for tile in tiles) for label in range(2)]
    assert found == [[0, *classes], [sum(tile.unlabelled for tile in tiles), *classes]]
    assert found[1][0] > 0


def test_originals_that_are_gone_are_one_sentence(run: tuple[str, Path], tmp_path: Path) -> None:
    _, root = run
    shutil.copytree(root / "tiles", tmp_path / "tiles")
    manifest = Manifest.load(tmp_path / "tiles")
    manifest.model_copy(update={"roots": {"raw": str(tmp_path / "elsewhere")}}).save(tmp_path / "tiles")

    code, text = invoke("train", "--data-root", tmp_path / "tiles", "--output-folder", tmp_path / "runs", *OPTIONS)

    assert code == 2
    assert f"are images that lie in {tmp_path / 'elsewhere'}, but there is no such folder" in " ".join(text.split())
    assert not (tmp_path / "runs").exists()
