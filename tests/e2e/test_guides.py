"""The guides, from the first command to the last, on small images and with a small network."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from saticl.commands.children import Children
from saticl.geo import raster
from saticl.geo.palette import encode
from tests.e2e.test_compare import in_this_process
from tests.e2e.test_extension import done
from tests.grids import COLOURS, CORNER, UTM33, patches, picture

DOCS = Path(__file__).resolve().parents[2] / "docs"

pytestmark = pytest.mark.slow

SMALL = {
    "MODEL__ENCODER": "test_resnet",
    "TRAINER__MAX_EPOCHS": "1",
    "TRAINER__MAX_ITERATIONS": "3",
    "TRAINER__BATCH_SIZE": "2",
    "TRAINER__NUM_WORKERS": "0",
    "NUM_WORKERS": "0",
    "TRACKING__URI": "none",
    "JOBS": "1",
}


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[list[str]]:
    lines = "".join(blocks(page, "console")).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[2:] for line in lines if line.startswith("python run.py")]


def run_all(page: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    monkeypatch.chdir(folder)
    for name, value in SMALL.items():
        monkeypatch.setenv(f"SATICL_{name}", value)
    return [done(*words) for words in commands(page)]


def write_year(folder: Path, names: list[str]) -> None:
    for seed, name in enumerate(names):
        labels = patches(300, 280, seed=seed)
        raster.write(folder / f"images/{name}.tif", picture(labels), CORNER, UTM33)
        raster.write(folder / f"masks/{name}.tif", encode(labels, COLOURS), CORNER, UTM33)


def test_the_guide_for_maps_leads_from_images_to_maps_and_to_a_new_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="the packages for ONNX are optional")
    write_year(tmp_path / "city", ["north", "east", "south"])
    write_year(tmp_path / "next", ["west", "middle", "harbour"])
    for block in blocks("guide-mapping.md", "yaml"):
        (tmp_path / block.split()[1]).write_text(block)

    said = run_all("guide-mapping.md", monkeypatch, tmp_path)

    assert sorted(path.name for path in (tmp_path / "maps").glob("*.gpkg")) == [
        "east.gpkg",
        "north.gpkg",
        "south.gpkg",
    ]
    assert (tmp_path / "outputs/city/offline/model/step-0/export/model.onnx").is_file()
    assert "forgetting" in said[-2]
    assert "water" in said[-1]
    assert raster.read(tmp_path / "maps-next/west.tif").shape == (1, 300, 280)
    assert np.isin(raster.read(tmp_path / "maps-next/west.tif"), range(4)).all()


def test_the_guide_for_comparisons_ends_with_two_methods_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Children, "call", in_this_process)

    *_, beside, table = run_all("guide-research.md", monkeypatch, tmp_path)

    assert "IoU after step 2, test tiles" in beside
    assert "mib plop" in re.sub(r"[^a-z ]+", "", beside.replace("┃", "")).replace("  ", " ")
    assert "[4/4]" in table
    assert "difference to ft" in table
    assert "Step 0 of mib is that of ft" in table


def test_the_plan_in_the_guide_for_comparisons_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DOCS.parent)
    (block,) = blocks("guide-research.md", "yaml")
    (tmp_path / "ablation.yaml").write_text(block)

    said = done("compare", "--config", tmp_path / "ablation.yaml", "--data-root=x", "--dst=y", "--print-config")

    assert "mib-cd-free:" in said
