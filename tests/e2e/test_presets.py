"""Files of published recipes train: two iterations of their first two steps, on small images in official layouts.

Sizes are reduced, and a tiny encoder takes the place of the published one; everything else is as the files say. One
file per method, two at least per benchmark, run always; the others are marked slow.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from saticl.runs.step import read_info
from saticl.runs.trained import read_options
from tests.e2e.test_training import invoke
from tests.layouts import write_ade20k, write_cityscapes, write_voc

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
CITIES = {"train": ("aachen", "bremen", "dusseldorf", "jena"), "val": ("frankfurt",)}
"""Some for the first two steps of each order."""

WRITERS: dict[str, Callable[[Path], object]] = {
    "voc": lambda root: write_voc(root, train=12, test=1),
    "ade20k": lambda root: write_ade20k(root, train=20, test=1),
    "cityscapes": lambda root: write_cityscapes(root, per_city=3, places=CITIES),
}
"""With enough images that each step has each of its classes."""

USUAL = {
    *("voc/ewc-19-1", "voc/pi-15-5", "voc/rw-15-1", "voc/lwf-15-5", "voc/ft-15-1", "voc/mib-15-1", "voc/lgkd-15-1"),
    *("ade20k/lwf-mc-100-50", "ade20k/plop-100-5"),
    *("cityscapes/ilt-11-5", "cityscapes/cil-1-2-3"),
}
FILES = [f"{name}/{path.stem}" for name in WRITERS for path in sorted((CONFIGS / name).glob("*.yaml"))]

REDUCED = [
    *("--image-size=64", "--trainer.batch-size=2", "--trainer.num-workers=0", "--trainer.max-iterations=2"),
    *("--trainer.max-epochs=1", "--trainer.precision=float32", "--tracking.uri=none"),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The prepared folder of a benchmark, made when it is first asked for."""
    folders: dict[str, Path] = {}

    def prepare(name: str) -> Path:
        if name not in folders:
            root = tmp_path_factory.mktemp(name)
            WRITERS[name](root / "raw")
            code, text = invoke(
                "prepare", "--dataset", name, "--src", root / "raw", "--dst", root / "tiles", "--jobs=1"
            )
            assert code == 0, text
            folders[name] = root / "tiles"
        return folders[name]

    return prepare


@pytest.mark.parametrize(
    "file", [pytest.param(file, marks=[] if file in USUAL else [pytest.mark.slow]) for file in FILES]
)
def test_a_file_trains_its_first_steps(file: str, prepared: Callable[[str], Path], tmp_path: Path) -> None:
    written = yaml.safe_load((CONFIGS / f"{file}.yaml").read_text(encoding="utf-8"))
    encoder = [] if written["model"]["encoder"] == "erfnet" else ["--model.encoder=test_resnet"]
    words = ["--config", CONFIGS / f"{file}.yaml", "--data-root", prepared(written["dataset"]), *REDUCED, *encoder]
    run = tmp_path / written["dataset"] / written["task"]["name"] / written["name"]
    rates = [written["optimizer"]["lr"], written["optimizer"]["later_lr"]]

    for step in range(1 if written["task"]["name"] == "offline" else 2):
        code, text = invoke("train", *words, "--output-folder", tmp_path, f"--task.step={step}")

        assert code == 0, text
        info = read_info(run / f"step-{step}" / "model.safetensors")
        assert (info.method, info.step, info.model.decoder) == (written["method"], step, written["model"]["decoder"])
        assert read_options(run / f"step-{step}")["optimizer"]["lr"] == rates[step]  # type: ignore[index]
