"""What docs/maps.md shows can be run: its Python as it stands, its commands by their options."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from typer.testing import CliRunner

from saticl.cli import app
from saticl.geo import raster
from tests.e2e.test_predict import write_model

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "maps.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    (block,) = re.findall(r"^```console\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[shlex.split(line).index("run.py") + 1 :] for line in block.splitlines()]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_is_understood(words: list[str]) -> None:
    result = CliRunner().invoke(app, [*words, "--print-config"])

    assert result.exit_code == 0, result.output


def test_the_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path / "outputs/mine/2s/model", bands=3)
    (tmp_path / "outputs/mine/2s/model/run").rename(tmp_path / "outputs/mine/2s/jcd-cd")
    pixels = np.random.default_rng(0).integers(0, 255, (3, 90, 70), np.uint8)
    raster.write(tmp_path / "city/north.tif", pixels, Affine(1, 0, 5e5, 0, -1, 58e5), raster.parse_crs("EPSG:32633"))
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    seen: dict[str, object] = {"read_bands": raster.read}

    exec(code, seen)

    classes, probabilities = seen["classes"], seen["probabilities"]
    assert isinstance(classes, np.ndarray)
    assert isinstance(probabilities, np.ndarray)
    assert (classes.shape, classes.dtype) == ((90, 70), np.uint8)
    assert probabilities.shape == (4, 90, 70)
    assert seen["names"] == ("background", "building", "tree", "car")
    assert np.array_equal(raster.read(tmp_path / "maps/north.tif")[0], classes)
