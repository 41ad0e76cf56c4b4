import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saticl.commands.prepare import prepare
from saticl.config import PrepareConfig
from saticl.cutting import strips
from saticl.datasets.isprs import COLOURS
from saticl.datasets.potsdam import Potsdam
from saticl.errors import InvalidOptions, InvalidRaster, MissingRawData
from saticl.geo import raster
from saticl.geo.palette import encode
from saticl.geo.statistics import BandSums, label_counts
from saticl.geo.windows import Window, cores, grid
from saticl.tiles.index import read_index
from saticl.tiles.manifest import MANIFEST, Manifest
from saticl.views import Views
from tests.raw import HERE, labels, picture, potsdam_scene, transform_of

HEIGHT, WIDTH = 90, 100


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Three scenes: a clean one, one with a blended mask and magenta, one whose surface model lacks a column."""
    root = tmp_path / "raw"
    potsdam_scene(root, 2, 10)
    potsdam_scene(root, 4, 12)
    potsdam_scene(root, 3, 13, dsm_width=WIDTH - 1)
    blended = np.clip(encode(labels(HEIGHT, WIDTH, 412), COLOURS), 20, 230)
    blended[:, 40:42, 50:53] = np.array([250, 3, 250])[:, None, None]
    raster.write(root / "5_Labels_all/top_potsdam_4_12_label.tif", blended, HERE, None)
    return root


def config(raw: Path, dst: Path, **changes: Any) -> PrepareConfig:
    base: dict[str, Any] = {"tile_size": 64, "overlap": 16, "dsm": True, "jobs": 1, "allow_missing": True}
    return PrepareConfig.model_validate({"src": raw, "dst": dst, "crs": "EPSG:32633"} | base | changes)


def prepared(raw: Path, dst: Path, **changes: Any) -> Manifest:
    manifest = prepare(config(raw, dst, **changes))
    assert manifest is not None
    return manifest


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def truncate(path: Path) -> bytes:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    return whole


def test_every_tile_is_its_part_of_the_scene_with_transform_and_crs(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "tiles")
    tiles = [tile for tile in read_index(tmp_path / "tiles") if tile.scene == "2_10"]
    image, mask = picture(HEIGHT, WIDTH, 3, 213), labels(HEIGHT, WIDTH, 210)
    heights = raster.read(raw / "1_DSM/dsm_potsdam_02_10.tif")

    assert [tile.window for tile in tiles] == grid(HEIGHT, WIDTH, 64, 16)
    for tile in tiles:
        assert tile.dsm is not None
        place = tile.window.slices
        np.testing.assert_array_equal(raster.read(tmp_path / "tiles" / tile.image), image[:, *place])
        np.testing.assert_array_equal(raster.read(tmp_path / "tiles" / tile.mask)[0], mask[place])
        np.testing.assert_array_equal(raster.read(tmp_path / "tiles" / tile.dsm), heights[:, *place])
        assert tile.counts == tuple(np.bincount(mask[place].ravel(), minlength=6))
        for file in (tile.image, tile.mask, tile.dsm):
            with rasterio.open(tmp_path / "tiles" / file) as source:
                expected = raster.shifted(transform_of(2, 10), tile.window.row, tile.window.col)
                assert source.transform.almost_equals(expected, 1e-6)
                assert source.crs.to_epsg() == 32633


def test_cores_of_a_scene_are_a_partition(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "tiles")
    tiles = [tile for tile in read_index(tmp_path / "tiles") if tile.scene == "2_10"]

    absolute = [
        Window(t.window.row + t.core.row, t.window.col + t.core.col, t.core.height, t.core.width) for t in tiles
    ]

    assert absolute == cores(HEIGHT, WIDTH, 64, 16)


def test_the_manifest_describes_the_dataset(raw: Path, tmp_path: Path) -> None:
    manifest = prepared(raw, tmp_path / "tiles", channels="rgbir")

    assert manifest == Manifest.load(tmp_path / "tiles")
    assert manifest.bands == ("red", "green", "blue", "nir", "dsm")
    assert (manifest.dtype, manifest.tile_size, manifest.overlap) == ("uint8", 64, 16)
    assert [(scene.id, scene.split, scene.tiles) for scene in manifest.scenes] == [
        ("2_10", "train", 4),
        ("4_12", "train", 4),
        ("3_13", "test", 4),
    ]
    assert manifest.protocol("6s").groups[0] == ("building",)


def test_the_manifest_keeps_what_the_dataset_says_of_views(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Potsdam, "views", Views(symmetries="mirror"))

    assert prepared(raw, tmp_path / "tiles").views == Views(symmetries="mirror")


def test_mean_and_deviation_are_those_of_the_training_scenes(raw: Path, tmp_path: Path) -> None:
    manifest = prepared(raw, tmp_path / "tiles")
    image = np.concatenate([picture(HEIGHT, WIDTH, 3, 213), picture(HEIGHT, WIDTH, 3, 415)], axis=1)
    heights = raster.read(raw / "1_DSM/dsm_potsdam_02_10.tif").astype(np.float64)

    means = [*image.mean(axis=(1, 2)), heights.mean()]
    deviations = [*image.std(axis=(1, 2)), heights.std()]

    assert manifest.statistics.mean == pytest.approx(means, rel=1e-12)
    assert manifest.statistics.std == pytest.approx(deviations, rel=1e-9)


def test_defects_are_repaired_counted_and_noted(raw: Path, tmp_path: Path) -> None:
    clean, blended, short = prepared(raw, tmp_path / "tiles").scenes

    assert (clean.inexact, clean.residual, clean.ignored, clean.notes) == (0, 0, 0, ())
    assert (blended.inexact, blended.residual, blended.ignored) == (HEIGHT * WIDTH, 6, 6)
    expected = labels(HEIGHT, WIDTH, 412)
    expected[40:42, 50:53] = 255
    assert blended.counts == tuple(np.bincount(expected[expected < 255], minlength=6))
    assert short.notes == ("the surface model has 1 columns less than the image: the edge is repeated",)


def test_the_table_at_the_end_shows_the_defects(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepared(raw, tmp_path / "tiles")

    shown = capsys.readouterr().out
    assert "pixels of other colours" in shown
    assert "9,000 label pixels do not have the exact colour of a class: 6 belong to no class" in " ".join(
        shown.split()
    )


@pytest.mark.parametrize("budget", [1, 64 * 80 * 8])
def test_scenes_cut_in_groups_of_columns_give_the_same_tiles(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    prepared(raw, tmp_path / "one", tile_size=32, overlap=10)
    monkeypatch.setattr(strips, "STRIP_BYTES", budget)

    manifest = prepared(raw, tmp_path / "two", tile_size=32, overlap=10)

    assert read_index(tmp_path / "two") == read_index(tmp_path / "one")
    assert digests(tmp_path / "two" / "tiles") == digests(tmp_path / "one" / "tiles")
    # Sums of floating point numbers round differently in another order.
    first = Manifest.load(tmp_path / "one")
    assert manifest.scenes == first.scenes
    assert manifest.statistics.std == pytest.approx(first.statistics.std, rel=1e-9)


def test_two_processes_and_two_shards_give_the_bytes_of_one(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "one")
    prepared(raw, tmp_path / "pool", jobs=2)
    second = prepare(config(raw, tmp_path / "shards", shard="2/2"))
    half = digests(tmp_path / "shards")
    first = prepare(config(raw, tmp_path / "shards", shard="1/2"))

    assert second is None
    assert MANIFEST not in half
    assert first is not None
    assert digests(tmp_path / "one") == digests(tmp_path / "pool") == digests(tmp_path / "shards")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_damaged_scene_is_named_and_leaves_no_tiles_while_the_others_are_kept(
    raw: Path, tmp_path: Path, jobs: int
) -> None:
    damaged = raw / "2_Ortho_RGB/top_potsdam_2_10_RGB.tif"
    whole = truncate(damaged)
    root = tmp_path / "tiles"

    with pytest.raises(InvalidRaster, match=r"top_potsdam_2_10_RGB\.tif.*damaged"):
        prepare(config(raw, root, jobs=jobs))

    assert not (root / MANIFEST).exists()
    assert sorted(path.name for path in (root / "tiles").iterdir()) == ["3_13", "4_12"]
    before = {path: path.stat().st_mtime_ns for path in (root / "tiles").rglob("*.tif")}
    damaged.write_bytes(whole)
    prepared(raw, root)
    prepared(raw, tmp_path / "expected")
    assert digests(root) == digests(tmp_path / "expected")
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())


def test_a_complete_dataset_is_not_touched_again_even_if_the_raw_imagery_is_gone(raw: Path, tmp_path: Path) -> None:
    first = prepared(raw, tmp_path / "tiles")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "tiles").rglob("*")}

    again = prepared(raw, tmp_path / "tiles", jobs=2, overwrite=True)
    shutil.rmtree(raw)
    without = prepared(raw, tmp_path / "tiles")

    assert again == without == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "tiles").rglob("*")} == before


def test_tiles_of_a_killed_run_are_replaced(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "expected")
    prepared(raw, tmp_path / "tiles")
    (tmp_path / "tiles/parts/2_10/0000.json").unlink()
    (tmp_path / "tiles" / MANIFEST).unlink()
    (tmp_path / "tiles/tiles/2_10/00000_00000_image.tif").write_bytes(b"half")

    prepared(raw, tmp_path / "tiles")

    assert digests(tmp_path / "tiles") == digests(tmp_path / "expected")


def test_scenes_that_arrive_later_are_added(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "tiles")
    potsdam_scene(raw, 2, 11)

    manifest = prepared(raw, tmp_path / "tiles")

    assert [scene.id for scene in manifest.scenes] == ["2_10", "2_11", "4_12", "3_13"]
    assert {tile.scene for tile in read_index(tmp_path / "tiles")} == {"2_10", "2_11", "4_12", "3_13"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"overlap": 20}, "overlap was 16 and is now 20"),
        ({"channels": "irrg", "dsm": False}, "channels .*; dsm was True"),
    ],
)
def test_changed_options_are_refused_by_name(raw: Path, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    prepared(raw, tmp_path / "tiles")
    before = digests(tmp_path / "tiles")

    with pytest.raises(InvalidOptions, match=f"{words}.*--overwrite"):
        prepare(config(raw, tmp_path / "tiles", **changes))

    assert digests(tmp_path / "tiles") == before


def test_overwriting_replaces_all_of_it_and_nothing_else(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "expected", dsm=False)
    prepared(raw, tmp_path / "tiles")
    (tmp_path / "tiles/notes.txt").write_text("mine")

    prepared(raw, tmp_path / "tiles", dsm=False, overwrite=True)

    assert (tmp_path / "tiles/notes.txt").read_text() == "mine"
    (tmp_path / "tiles/notes.txt").unlink()
    assert digests(tmp_path / "tiles") == digests(tmp_path / "expected")


def test_overwriting_with_a_source_that_is_not_there_keeps_what_was(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "tiles")
    before = digests(tmp_path / "tiles")

    with pytest.raises(MissingRawData):
        prepare(config(tmp_path / "gone", tmp_path / "tiles", overwrite=True))

    assert digests(tmp_path / "tiles") == before


def test_a_choice_may_be_written_in_any_case_and_its_default_spelled_out(raw: Path, tmp_path: Path) -> None:
    first = prepared(raw, tmp_path / "tiles", channels="RGBIR")

    again = prepared(raw, tmp_path / "tiles", channels="rgbir", labels="full")

    assert again == first
    assert first.bands == ("red", "green", "blue", "nir", "dsm")
    assert (first.options["channels"], first.options["labels"]) == ("rgbir", "full")


def test_an_empty_choice_is_none(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "images: '2_Ortho_RGB/{name}_RGB.tif'\nmasks: '1_DSM/dsm_{name}.tif'\nbands: [a, b, c]\nclasses: {a: 30}\n"
    )

    with pytest.raises(MissingRawData, match="files of own are missing"):
        prepare(config(raw, tmp_path / "tiles", dataset=str(tmp_path / "own.yaml"), channels="", labels="", dsm=False))


def test_a_mistyped_source_leaves_no_trace(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingRawData, match="does not exist"):
        prepare(config(tmp_path / "gone", tmp_path / "tiles"))

    assert not (tmp_path / "tiles").exists()
    prepared(raw, tmp_path / "tiles")


def test_an_incomplete_download_is_refused_unless_accepted(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingRawData, match="--allow-missing"):
        prepare(config(raw, tmp_path / "tiles", allow_missing=False))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"overlap": 64}, "0 to 63"),
        ({"shard": "3/2"}, "--shard 3/2 is not valid"),
        ({"shard": "half"}, "write i/n"),
        ({"crs": "nowhere"}, "'nowhere' is not known"),
        ({"dataset": "vaihingen", "channels": "rgb"}, "--channels irrg"),
        ({"channels": "sar"}, "has no sar images: choose --channels rgb or irrg or rgbir"),
        ({"labels": "rough"}, "has no rough masks: choose --labels full or eroded"),
    ],
)
def test_contradictions_are_refused_before_anything_is_written(
    raw: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidOptions, match=words):
        prepare(config(raw, tmp_path / "tiles", **changes))

    assert not (tmp_path / "tiles").exists()


def test_source_and_destination_must_differ(raw: Path) -> None:
    with pytest.raises(InvalidOptions, match="the same folder"):
        prepare(config(raw, raw))


def test_a_folder_of_unknown_origin_is_not_touched(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "mine/tiles").mkdir(parents=True)

    with pytest.raises(InvalidOptions, match="unknown origin"):
        prepare(config(raw, tmp_path / "mine", overwrite=True))


def test_scenes_smaller_than_a_tile_give_one_tile_of_their_size(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "tiles", tile_size=128)

    tile = read_index(tmp_path / "tiles")[0]

    assert tile.window == tile.core == Window(0, 0, HEIGHT, WIDTH)
    assert raster.read(tmp_path / "tiles" / tile.image).shape == (3, HEIGHT, WIDTH)


def test_sixteen_bits_and_nodata_pass_through(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(1, 60_000, (5, 40, 50)).astype(np.uint16)
    pixels[:, :7] = 0
    raster.write(tmp_path / "raw/a.tif", pixels, transform_of(2, 10), None, nodata=0)
    raster.write(tmp_path / "raw/a_mask.tif", labels(40, 50, classes=3)[None], HERE, None)
    description = {"images": "{name}.tif", "masks": "{name}_mask.tif", "bands": list("abcde")}
    split = {"by": "scene", "train": ["a"], "skip": ["a_mask"]}
    classes = {"classes": {"x": 0, "y": 1}, "ignore": [2], "split": split}
    (tmp_path / "own.yaml").write_text(json.dumps(description | classes))  # JSON is YAML

    manifest = prepared(
        tmp_path / "raw", tmp_path / "tiles", dataset=str(tmp_path / "own.yaml"), dsm=False, tile_size=32, overlap=8
    )

    tile = read_index(tmp_path / "tiles")[0]
    np.testing.assert_array_equal(raster.read(tmp_path / "tiles" / tile.image), pixels[:, :32, :32])
    assert manifest.dtype == "uint16"
    assert manifest.statistics.mean == pytest.approx(pixels[:, 7:].mean(axis=(1, 2)), rel=1e-12)
    assert tile.ignored == 7 * 32 + int((labels(40, 50, classes=3)[7:32, :32] == 2).sum())


def test_a_changed_description_is_a_changed_option(tmp_path: Path) -> None:
    raster.write(tmp_path / "raw/images/a.tif", picture(40, 50), HERE, None)
    raster.write(tmp_path / "raw/masks/a.tif", labels(40, 50, classes=2)[None], HERE, None)
    path = tmp_path / "own.yaml"
    description: dict[str, Any] = {"images": "images/{name}.tif", "masks": "masks/{name}.tif", "bands": list("rgb")}
    path.write_text(json.dumps(description | {"classes": {"x": 0, "y": 1}}))
    prepared(tmp_path / "raw", tmp_path / "tiles", dataset=str(path), dsm=False)
    path.write_text(json.dumps(description | {"classes": {"y": 0, "x": 1}}))

    with pytest.raises(InvalidOptions, match="the description has changed"):
        prepare(config(tmp_path / "raw", tmp_path / "tiles", dataset=str(path), dsm=False))


@given(arrays(np.uint16, st.tuples(st.just(2), st.integers(1, 200), st.integers(1, 60))), st.integers(1, 199))
def test_sums_are_exact_and_add_up_in_parts(pixels: np.ndarray, cut: int) -> None:
    whole = BandSums.of(list(pixels), None)
    parts = BandSums.of(list(pixels[:, :cut]), None) + BandSums.of(list(pixels[:, cut:]), None)

    assert whole == parts
    assert whole.sums == tuple(int(band.astype(object).sum()) for band in pixels)
    assert whole.squares == tuple(int((band.astype(object) ** 2).sum()) for band in pixels)


def test_a_constant_band_has_a_deviation_to_divide_by() -> None:
    assert BandSums.of([np.full((9, 9), 7, np.uint8)], None).std == (1.0,)


@pytest.mark.parametrize("classes", [3, 40])
def test_labels_are_counted_for_few_and_many_classes(classes: int) -> None:
    mask = np.random.default_rng(0).integers(0, 256, (50, 60), np.uint8)

    assert label_counts(mask, classes) == tuple(np.bincount(mask.ravel(), minlength=256)[:classes])
