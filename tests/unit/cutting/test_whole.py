"""Images that are used whole: what is written of them, and what a second run does again."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine

from saticl.commands.prepare import prepare
from saticl.config import PrepareConfig
from saticl.cutting.recipe import BUNDLES, bundle_of
from saticl.errors import InvalidOptions, InvalidRaster, MissingTiles
from saticl.geo import raster
from saticl.geo.windows import Window
from saticl.labels import IGNORE, UNLABELLED
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import Tile, read_index
from saticl.tiles.manifest import Manifest
from saticl.views import Views
from tests.cutting import digests, times
from tests.layouts import SHAPES, Mask, write_ade20k, write_voc
from tests.raw import picture, potsdam_scene, write_picture

CLASSES = 21


@pytest.fixture
def written(tmp_path: Path) -> dict[str, Mask]:
    return write_voc(tmp_path / "raw", 5, 2)


def config(root: Path, dst: str = "tiles", **changes: Any) -> PrepareConfig:
    base: dict[str, Any] = {"dataset": "voc", "src": root / "raw", "dst": root / dst, "jobs": 1}
    return PrepareConfig.model_validate(base | changes)


def prepared(root: Path, dst: str = "tiles", **changes: Any) -> Manifest:
    manifest = prepare(config(root, dst, **changes))
    assert manifest is not None
    return manifest


def later(path: Path) -> None:
    """Two edits may come in one tick of the clock, but not in tests."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def changed(before: dict[Path, int], after: dict[Path, int]) -> set[str]:
    """Names of masks and copies that were written in between."""
    return {path.name for path, time in after.items() if path.suffix == ".tif" and before.get(path) != time}


def test_the_index_points_at_the_images_and_counts_their_masks(tmp_path: Path, written: dict[str, Mask]) -> None:
    manifest = prepared(tmp_path)

    tiles = read_index(tmp_path / "tiles")
    assert manifest.tile_size is None
    assert manifest.overlap == 0
    assert manifest.roots == {"raw": str(tmp_path / "raw")}
    assert manifest.views == Views(symmetries="mirror", crop="scale")
    assert [tile.id for tile in tiles] == [entry.id for entry in manifest.scenes] == list(written)
    assert [tile.split for tile in tiles] == ["train"] * 5 + ["test"] * 2
    for number, (tile, mask) in enumerate(zip(tiles, written.values(), strict=True)):
        height, width = SHAPES[number % len(SHAPES)]
        assert tile.window == tile.core == Window(0, 0, height, width)
        assert (tile.image, tile.mask, tile.dsm) == (
            f"raw:JPEGImages/{tile.id}.jpg",
            f"tiles/{tile.id}_mask.tif",
            None,
        )
        assert (
            tile.counts == manifest.scenes[number].counts == tuple((mask == label).sum() for label in range(CLASSES))
        )
        assert tile.ignored == manifest.scenes[number].ignored == (mask == IGNORE).sum()
        np.testing.assert_array_equal(raster.read(tmp_path / "tiles" / str(tile.mask))[0], mask)
    assert sorted(path.suffix for path in (tmp_path / "tiles" / "tiles").iterdir()) == [".tif"] * 7


def test_the_statistics_are_those_of_the_training_images(tmp_path: Path, written: dict[str, Mask]) -> None:
    manifest = prepared(tmp_path)

    images = [raster.read(tmp_path / "raw" / "JPEGImages" / f"{name}.jpg") for name in list(written)[:5]]
    pixels = np.concatenate([image.reshape(3, -1) for image in images], axis=1).astype(float)
    np.testing.assert_allclose(manifest.statistics.mean, pixels.mean(axis=1))
    np.testing.assert_allclose(manifest.statistics.std, pixels.std(axis=1))
    assert manifest.statistics.highest == tuple(pixels.max(axis=1))


def test_what_training_reads_are_the_images_and_their_labels(tmp_path: Path, written: dict[str, Mask]) -> None:
    manifest = prepared(tmp_path)
    tiles = read_index(tmp_path / "tiles")

    samples = TileDataset(tmp_path / "tiles", tiles, np.arange(256, dtype=np.uint8), manifest, owned=True)

    for tile, sample in zip(tiles, samples, strict=True):
        np.testing.assert_array_equal(sample.target.numpy(), written[tile.id])
        image = raster.read(tmp_path / "raw" / "JPEGImages" / f"{tile.id}.jpg")
        np.testing.assert_array_equal(sample.image.numpy(), image)


@pytest.mark.parametrize("jobs", [1, 2])
def test_shards_and_processes_give_the_same_bytes(tmp_path: Path, written: dict[str, Mask], jobs: int) -> None:
    prepared(tmp_path)

    if jobs == 1:
        assert prepare(config(tmp_path, "other", shard="1/2")) is None
        prepared(tmp_path, "other", shard="2/2")
    else:
        prepared(tmp_path, "other", jobs=jobs)

    assert digests(tmp_path / "tiles") == digests(tmp_path / "other")


def test_a_second_run_writes_nothing(tmp_path: Path, written: dict[str, Mask]) -> None:
    first = prepared(tmp_path)
    before = times(tmp_path / "tiles")

    assert prepared(tmp_path) == first
    assert times(tmp_path / "tiles") == before


def test_a_lost_or_damaged_mask_is_written_again(
    tmp_path: Path, written: dict[str, Mask], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, *_ = written
    prepared(tmp_path)
    expected, before = digests(tmp_path / "tiles"), times(tmp_path / "tiles")
    (tmp_path / "tiles" / "tiles" / f"{first}_mask.tif").unlink()
    with (tmp_path / "tiles" / "tiles" / f"{second}_mask.tif").open("r+b") as file:
        file.write(b"nonsense")
    capsys.readouterr()

    prepared(tmp_path)

    assert "2 files are missing or damaged" in capsys.readouterr().out
    assert digests(tmp_path / "tiles") == expected
    assert changed(before, times(tmp_path / "tiles")) == {f"{first}_mask.tif", f"{second}_mask.tif"}


def test_a_damaged_record_costs_its_image_only(tmp_path: Path, written: dict[str, Mask]) -> None:
    prepared(tmp_path)
    expected, before = digests(tmp_path / "tiles"), times(tmp_path / "tiles")
    scene = next(iter(written))
    (tmp_path / "tiles" / "parts" / f"{bundle_of(scene):03d}.jsonl").write_text("{}\nnonsense\n")

    prepared(tmp_path)

    assert digests(tmp_path / "tiles") == expected
    assert changed(before, times(tmp_path / "tiles")) == {f"{scene}_mask.tif"}


@pytest.mark.parametrize("what", ["image", "mask"])
def test_a_file_that_was_edited_is_read_again(
    tmp_path: Path, written: dict[str, Mask], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = next(iter(written))
    before_all = prepared(tmp_path)
    before = times(tmp_path / "tiles")
    path = tmp_path / "raw" / {"image": f"JPEGImages/{first}.jpg", "mask": f"SegmentationClassAug/{first}.png"}[what]
    write_picture(path, np.full((3 if what == "image" else 1, 75, 100), 7, np.uint8))
    later(path)

    manifest = prepared(tmp_path)

    assert f"Files of 1 scene have changed since tiles were cut, for example of {first}" in capsys.readouterr().out
    assert changed(before, times(tmp_path / "tiles")) == {f"{first}_mask.tif"}
    tile = read_index(tmp_path / "tiles")[0]
    if what == "mask":
        assert tile.counts == manifest.scenes[0].counts == tuple(7500 * (label == 7) for label in range(CLASSES))
        assert manifest.statistics == before_all.statistics
    else:
        assert manifest.scenes == before_all.scenes
        assert manifest.statistics != before_all.statistics


def test_a_list_that_was_edited_moves_images(tmp_path: Path, written: dict[str, Mask]) -> None:
    prepared(tmp_path)
    before = times(tmp_path / "tiles")
    first, *others, last = written
    (tmp_path / "raw" / "splits" / "train_aug.txt").write_text("\n".join([*others, "added"]))
    (tmp_path / "raw" / "splits" / "val.txt").write_text(first)
    write_picture(tmp_path / "raw" / "JPEGImages" / "added.jpg", picture(31, 47))
    write_picture(tmp_path / "raw" / "SegmentationClassAug" / "added.png", np.zeros((1, 31, 47), np.uint8))

    prepared(tmp_path)

    tiles = read_index(tmp_path / "tiles")
    assert [(tile.id, tile.split) for tile in tiles] == [
        *((name, "train") for name in [*others, "added"]),
        (first, "test"),
    ]
    assert not (tmp_path / "tiles" / "tiles" / f"{last}_mask.tif").exists()
    # The one that was in the other list, too: its records say to which it belongs.
    assert changed(before, times(tmp_path / "tiles")) == {f"{name}_mask.tif" for name in (first, others[-1], "added")}


def test_damaged_images_are_named_and_the_others_kept(tmp_path: Path, written: dict[str, Mask]) -> None:
    first, second, third, *_ = written
    broken = tmp_path / "raw" / "JPEGImages" / f"{first}.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    write_picture(tmp_path / "raw" / "SegmentationClassAug" / f"{third}.png", np.zeros((1, 8, 9), np.uint8))

    with pytest.raises(InvalidRaster, match=rf"{first}\.jpg cannot be read .* \(1 more scene failed: {third}\)"):
        prepared(tmp_path)
    assert not (tmp_path / "tiles" / "dataset.json").exists()

    broken.write_bytes(whole)
    write_picture(tmp_path / "raw" / "SegmentationClassAug" / f"{third}.png", written[third][None])
    before = times(tmp_path / "tiles")
    manifest = prepared(tmp_path)
    assert len(manifest.scenes) == 7
    assert changed(before, times(tmp_path / "tiles")) == {f"{first}_mask.tif", f"{third}_mask.tif"}
    assert f"{second}_mask.tif" in {path.name for path in before}


def test_a_grey_image_is_copied_with_three_bands(tmp_path: Path) -> None:
    write_ade20k(tmp_path / "raw", 2, 1, values=range(4))

    manifest = prepared(tmp_path, dataset="ade20k")

    grey, coloured, _ = tiles = read_index(tmp_path / "tiles")
    assert grey.image == f"tiles/{grey.id}_image.tif"
    assert coloured.image == f"raw:images/training/{coloured.id}.jpg"
    assert [len(tile.files) for tile in tiles] == [2, 1, 1]
    assert manifest.scenes[0].notes == ("the image is grey: its only band stands for red, green and blue",)
    copied = raster.read(tmp_path / "tiles" / grey.image)
    np.testing.assert_array_equal(
        copied, raster.read(tmp_path / "raw/images/training" / f"{grey.id}.jpg").repeat(3, 0)
    )
    mask = raster.read(tmp_path / "tiles" / str(grey.mask))[0]
    assert grey.unlabelled == manifest.scenes[0].unlabelled == (mask == UNLABELLED).sum() > 0
    before = times(tmp_path / "tiles")
    (tmp_path / "tiles" / grey.image).unlink()
    prepared(tmp_path, dataset="ade20k")
    assert f"{grey.id}_image.tif" in changed(before, times(tmp_path / "tiles"))


def test_a_tile_size_cuts_the_images_like_any_others(tmp_path: Path, written: dict[str, Mask]) -> None:
    manifest = prepared(tmp_path, tile_size=64, overlap=8)

    tiles = read_index(tmp_path / "tiles")
    assert (manifest.tile_size, manifest.overlap, manifest.roots) == (64, 8, {})
    assert tiles[0].id == f"{next(iter(written))}/00000_00000"
    assert all(not tile.image.startswith("raw:") for tile in tiles)
    with pytest.raises(InvalidOptions, match="tile_size was 64 and is now None"):
        prepared(tmp_path)


def test_an_overlap_without_tiles_is_refused(tmp_path: Path, written: dict[str, Mask]) -> None:
    with pytest.raises(
        InvalidOptions, match="images of voc are used whole: leave it out, or cut them into tiles with"
    ):
        prepared(tmp_path, overlap=8)
    assert not (tmp_path / "tiles").exists()


def test_images_whose_source_is_gone_are_asked_for(tmp_path: Path, written: dict[str, Mask]) -> None:
    prepared(tmp_path)
    (tmp_path / "raw").rename(tmp_path / "moved")

    with pytest.raises(MissingTiles, match=r"are images that lie in .*raw, but there is no such folder: put it back"):
        prepared(tmp_path)


def test_a_check_says_that_images_are_used_whole(
    tmp_path: Path, written: dict[str, Mask], capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(config(tmp_path, check=True, check_json=tmp_path / "found.json")) is None

    assert "`prepare` would use 7 images whole and leave them where they are." in capsys.readouterr().out
    record = json.loads((tmp_path / "found.json").read_text())
    assert (record["tile_size"], record["overlap"]) == (None, 0)
    assert [scene["tiles"] for scene in record["scenes"]] == [1] * 7
    prepare(config(tmp_path, check=True, tile_size=64, check_json=tmp_path / "found.json"))
    assert "tiles of 64 pixels, overlap 14." in capsys.readouterr().out


def described(root: Path, **changes: Any) -> Path:
    content = {
        "images": "{name}.png",
        "masks": "masks/{name}.tif",
        "bands": ["r", "g", "b"],
        "classes": {"a": 0, "b": 1},
    }
    path = root / "own.yaml"
    path.write_text(yaml.safe_dump(content | {"whole": True} | changes))
    return path


def test_a_description_may_say_the_same_and_only_odd_images_are_copied(tmp_path: Path) -> None:
    """An image with transparent pixels is copied, with the mask that says which they are."""
    pixels = picture(30, 44)
    alpha = np.full((1, 30, 44), 255, np.uint8)
    alpha[0, :5] = 0
    write_picture(tmp_path / "raw" / "plain.png", pixels)
    write_picture(tmp_path / "raw" / "clear.png", np.concatenate([pixels, alpha]))
    for name in ("plain", "clear"):
        write_picture(tmp_path / "raw" / "masks" / f"{name}.png", np.ones((1, 30, 44), np.uint8))

    manifest = prepared(tmp_path, dataset=str(described(tmp_path, masks="masks/{name}.png")))

    clear, plain = read_index(tmp_path / "tiles")
    assert (plain.image, plain.invalid) == ("raw:plain.png", 0)
    assert (clear.image, clear.invalid, clear.ignored) == ("tiles/clear_image.tif", 5 * 44, 5 * 44)
    samples = TileDataset(tmp_path / "tiles", [clear], np.arange(256, dtype=np.uint8), manifest, fill=(9, 8, 7))
    assert samples[0].image[:, 0, 0].tolist() == [9, 8, 7]
    np.testing.assert_array_equal(samples[0].image[:, 5:].numpy(), pixels[:, 5:])


def test_whole_images_keep_their_place_and_heights(tmp_path: Path) -> None:
    place = Affine(0.5, 0, 400_000, 0, -0.5, 5_000_000)
    crs = raster.parse_crs("EPSG:32633")
    raster.write(tmp_path / "raw" / "one.tif", picture(30, 44), place, crs)
    raster.write(tmp_path / "raw" / "dsm" / "one.tif", np.full((1, 30, 44), 3, np.int16), place, crs)
    raster.write(tmp_path / "raw" / "masks" / "one.tif", np.ones((1, 30, 44), np.uint8), place, crs)
    own = described(tmp_path, images="{name}.tif", dsm="dsm/{name}.tif")

    manifest = prepared(tmp_path, dataset=str(own), dsm=True)

    (tile,) = read_index(tmp_path / "tiles")
    assert (tile.image, tile.dsm) == ("raw:one.tif", "tiles/one_dsm.tif")
    assert (manifest.scenes[0].crs, manifest.scenes[0].transform) == ("EPSG:32633", tuple(place)[:6])
    with rasterio.open(tmp_path / "tiles" / str(tile.mask)) as mask:
        assert (mask.crs, mask.transform) == (crs, place)
    (sample,) = TileDataset(tmp_path / "tiles", [tile], np.arange(256, dtype=np.uint8), manifest)
    assert sample.image.shape == (4, 30, 44)
    assert (sample.image[3] == 3).all()


def test_another_resolution_makes_copies(tmp_path: Path) -> None:
    place, crs = Affine(0.5, 0, 400_000, 0, -0.5, 5_000_000), raster.parse_crs("EPSG:32633")
    raster.write(tmp_path / "raw" / "one.tif", picture(30, 44), place, crs)
    raster.write(tmp_path / "raw" / "masks" / "one.tif", np.ones((1, 30, 44), np.uint8), place, crs)

    prepared(tmp_path, dataset=str(described(tmp_path, images="{name}.tif")), gsd=1)

    (tile,) = read_index(tmp_path / "tiles")
    assert tile.image == "tiles/one_image.tif"
    assert raster.read(tmp_path / "tiles" / tile.image).shape == (3, 15, 22)


def test_images_of_a_list_are_not_used_whole(tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("one.tif\n")

    with pytest.raises(
        InvalidOptions, match=r"raw\.txt is a list, but images of own are used whole .* with --tile-size"
    ):
        prepared(tmp_path, dataset=str(described(tmp_path)), src=tmp_path / "raw.txt")


def test_aerial_datasets_are_cut_into_tiles_of_512_by_default(tmp_path: Path) -> None:
    potsdam_scene(tmp_path / "raw", 2, 10)

    manifest = prepared(tmp_path, dataset="potsdam", allow_missing=True)

    assert (manifest.tile_size, manifest.overlap, manifest.roots) == (512, 112, {})
    assert manifest.options["tile_size"] == 512


def test_bundles_share_images_evenly_and_by_name_alone() -> None:
    found = np.bincount([bundle_of(f"2007_{number:06d}") for number in range(20_000)], minlength=BUNDLES)

    assert len(found) == BUNDLES
    assert 20 < found.min() <= found.max() < 200


def test_originals_have_no_checksum_of_their_own() -> None:
    place = Window(0, 0, 4, 4)
    tile = Tile("a", "a", "a", "train", place, place, "raw:a.jpg", "tiles/a_mask.tif", None, (16,), 0)

    assert tile.names == ("raw:a.jpg", "tiles/a_mask.tif")
    assert tile.own == ("tiles/a_mask.tif",)
