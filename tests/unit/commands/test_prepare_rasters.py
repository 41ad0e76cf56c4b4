"""Rasters as they come: other grids, other nodata, few bits, many failures; and what tiles keep of their source."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from saticl.config import PrepareConfig
from saticl.cutting.executor import FAILED
from saticl.display.console import console
from saticl.errors import InvalidOptions, InvalidRaster
from saticl.geo import raster
from saticl.tiles.index import Tile, read_index
from tests.cutting import prepared
from tests.grids import CORNER, UTM33, patches, scene
from tests.raw import write_picture

PLACELESS = Affine.identity()


def cut(tmp_path: Path, name: str = "tiles", **changes: Any) -> Path:
    prepared(tmp_path / "raw", tmp_path / name, dataset=str(tmp_path / "own.yaml"), **changes)
    return tmp_path / name


def numbers(root: Path, bands: str = "[grey]") -> None:
    """A description of masks of numbers."""
    (root / "own.yaml").write_text(
        f'images: "images/{{name}}.tif"\nmasks: "masks/{{name}}.tif"\nbands: {bands}\nclasses: {{land: 0, water: 1}}\n'
    )


def mosaic(root: Path, kind: str, of: list[Tile]) -> np.ndarray:
    """Tiles of one scene put together again."""
    last = max(of, key=lambda tile: (tile.window.row, tile.window.col)).window
    first = raster.read(root / getattr(of[0], kind))
    whole = np.zeros((len(first), last.row + last.height, last.col + last.width), first.dtype)
    for tile in of:
        whole[:, *tile.window.slices] = raster.read(root / getattr(tile, kind))
    return whole


def test_a_coarser_grid_gives_means_of_the_image_and_labels_of_the_mask(tmp_path: Path) -> None:
    scene(tmp_path, height=128, width=168)
    with console.capture() as printed:
        root = cut(tmp_path, gsd=0.5)

    tiles = read_index(root)
    pixels = raster.read(tmp_path / "raw/images/north.tif").reshape(3, 64, 2, 84, 2).mean(axis=(2, 4))
    assert np.abs(mosaic(root, "image", tiles) - pixels).max() <= 0.5
    labels = patches(128, 168)
    mask = mosaic(root, "mask", tiles)[0]
    near = [labels[row::2, col::2] for row in (0, 1) for col in (0, 1)]
    assert np.any([mask == one for one in near], axis=0).all(), "a label that is there, never a mixed colour"
    with rasterio.open(root / tiles[0].image) as tile:
        assert tile.transform.a == 0.5
    content = json.loads((root / "dataset.json").read_text())
    assert content["options"]["gsd"] == 0.5
    assert "0.25 metre per pixel in EPSG:32633 to 0.5 metre" in content["scenes"][0]["notes"][0]
    assert "north: resampled from 0.25 metre" in printed.get()


def test_another_system_keeps_image_and_mask_together_and_ignores_what_lies_outside(tmp_path: Path) -> None:
    scene(tmp_path, height=200, width=240)
    labels = patches(200, 240)
    raster.write(tmp_path / "raw/images/north.tif", np.stack([80 * labels + 10] * 3), CORNER, UTM33)

    root = cut(tmp_path, target_crs="EPSG:3035")

    tiles = read_index(root)
    image, mask = mosaic(root, "image", tiles)[0].astype(int), mosaic(root, "mask", tiles)[0]
    with rasterio.open(root / tiles[0].image) as tile:
        assert tile.crs.to_epsg() == 3035
    pure = np.isin(image, (10, 90, 170))
    assert pure.mean() > 0.5
    assert (mask[pure] == (image[pure] - 10) // 80).mean() > 0.99
    assert (mask[image == 0] == 255).all()
    assert 0.05 < (image == 0).mean() < 0.5, "the corners of a turned scene"


def test_blocks_shards_and_tile_sizes_cut_the_same_pixels_on_another_grid(tmp_path: Path) -> None:
    scene(tmp_path, height=700, width=200)
    options: dict[str, Any] = {"gsd": 0.3, "target_crs": "EPSG:3035", "overlap": 0}
    small = cut(tmp_path, "small", tile_size=32, **options)
    large = cut(tmp_path, "large", tile_size=2048, **options)

    assert len(list((small / "parts/north").iterdir())) > 1
    for kind in ("image", "mask"):
        np.testing.assert_array_equal(mosaic(small, kind, read_index(small)), mosaic(large, kind, read_index(large)))


def test_a_mask_of_another_grid_is_found_by_its_place(tmp_path: Path) -> None:
    scene(tmp_path)
    numbers(tmp_path, "[red, green, blue]")
    south_west = Affine(1, 0, 499_990, 0, -1, 5_800_010)
    raster.write(tmp_path / "raw/masks/north.tif", np.ones((1, 30, 30), np.uint8), south_west, UTM33, nodata=1)

    root = cut(tmp_path, gsd=0.5)

    mask = mosaic(root, "mask", read_index(root))[0]
    assert (mask[:40, :40] == 1).all(), "20 of 30 metres in both directions; a nodata tag of a mask says nothing"
    assert (mask[41:] == 255).all()
    assert (mask[:, 41:] == 255).all()


def test_indexed_colours_and_values_of_no_class_are_judged_as_in_the_file(tmp_path: Path) -> None:
    scene(tmp_path, height=64, width=64)
    labels, table = patches(64, 64), {0: (0, 0, 255), 1: (255, 0, 0), 2: (128, 128, 128)}
    (tmp_path / "raw/masks/north.tif").unlink()
    (tmp_path / "own.yaml").write_text(
        (tmp_path / "own.yaml").read_text().replace("masks/{name}.tif", "masks/{name}.png")
    )
    write_picture(tmp_path / "raw/masks/north.png", labels[None], table)

    root = cut(tmp_path, gsd=0.125)
    mask = mosaic(root, "mask", read_index(root))[0]
    np.testing.assert_array_equal(mask[::2, ::2], np.array([2, 0, 1])[labels])

    write_picture(tmp_path / "raw/masks/north.png", labels[None], table | {1: (1, 2, 3)})
    with pytest.raises(InvalidRaster, match=rf"has {np.count_nonzero(labels == 1):,} pixels of 1 colour.*#010203"):
        cut(tmp_path, "other", gsd=0.125)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"gsd": 0.5}, "gsd was None and is now 0.5"),
        ({"target_crs": "EPSG:3035"}, "target_crs was None and is now EPSG:3035"),
        ({"nodata": 0}, r"nodata was None and is now 0\.0"),
        ({"min_valid": 0.3}, r"min_valid was None and is now 0\.3"),
    ],
)
def test_other_options_are_refused_in_a_folder_of_without(tmp_path: Path, changes: dict, sentence: str) -> None:
    scene(tmp_path, height=40, width=40)
    cut(tmp_path)
    with pytest.raises(InvalidOptions, match=sentence):
        cut(tmp_path, **changes)

    cut(tmp_path, "other", **changes)
    name = next(iter(changes))
    with pytest.raises(InvalidOptions, match=rf"{name} was .* and is now None"):
        cut(tmp_path, "other")


def test_options_that_were_not_given_are_not_in_the_manifest(tmp_path: Path) -> None:
    scene(tmp_path, height=40, width=40)

    options = json.loads((cut(tmp_path) / "dataset.json").read_text())["options"]

    assert options.keys().isdisjoint({"gsd", "target_crs", "nodata", "min_valid"}), "as in folders prepared earlier"


def test_the_overlap_grows_with_the_tile_where_it_is_not_given() -> None:
    found = [PrepareConfig(src="raw", dst=Path("tiles"), tile_size=size).shared for size in (64, 512, 1024)]

    assert found == [14, 112, 224]
    assert PrepareConfig(src="raw", dst=Path("tiles"), tile_size=64, overlap=0).shared == 0


def test_tiles_keep_nodata_and_names_of_bands_and_get_no_place_that_the_source_has_not(tmp_path: Path) -> None:
    numbers(tmp_path, "[one, two]")
    pixels = np.random.default_rng(0).random((2, 40, 50)).astype(np.float32)
    pixels[:, :5, :7] = -9999
    raster.write(tmp_path / "raw/images/a.tif", pixels, PLACELESS, None, nodata=-9999, names=("B04", "B08"))
    raster.write(tmp_path / "raw/masks/a.tif", patches(40, 50, 2)[None], PLACELESS, None)

    root = cut(tmp_path)

    for tile in read_index(root):
        with raster.opened(root / tile.image) as source:
            assert source.nodata == -9999
            assert source.descriptions == ("B04", "B08")
            assert source.transform.is_identity
            assert source.crs is None
            found, valid = source.read(), source.dataset_mask() != 0
        expected = pixels[:, *tile.window.slices]
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(valid, expected[0] != -9999)
        with raster.opened(root / str(tile.mask)) as mask:
            assert mask.transform.is_identity


def test_bands_without_a_name_get_that_of_the_description(tmp_path: Path) -> None:
    scene(tmp_path, height=40, width=40)
    with raster.opened(cut(tmp_path) / "tiles/north/00000_00000_image.tif") as source:
        assert source.descriptions == ("red", "green", "blue")
        assert source.nodata is None


def test_every_scene_has_its_own_nodata(tmp_path: Path) -> None:
    numbers(tmp_path)
    for name, nodata in (("a", 7), ("b", 9), ("c", None)):
        pixels = np.full((1, 32, 32), 5, np.uint16)
        pixels[:, :4], pixels[:, 4:8], pixels[:, 8:12] = 7, 9, 11
        raster.write(tmp_path / f"raw/images/{name}.tif", pixels, CORNER, UTM33, nodata=nodata)
        raster.write(tmp_path / f"raw/masks/{name}.tif", patches(32, 32, 2)[None], CORNER, UTM33)

    tiles = read_index(cut(tmp_path, nodata=11))

    assert {tile.scene: tile.invalid for tile in tiles} == {"a": 128, "b": 128, "c": 128}
    empty = {
        tile.scene: np.flatnonzero(~raster.read_valid(tmp_path / "tiles" / tile.image)[:, 0])[0] for tile in tiles
    }
    assert empty == {"a": 0, "b": 4, "c": 8}


def test_tiles_with_too_little_data_are_left_out_and_every_other_pixel_is_owned_once(tmp_path: Path) -> None:
    numbers(tmp_path)
    pixels = np.full((1, 96, 96), 100, np.uint8)
    pixels[:, :, :40] = 0
    raster.write(tmp_path / "raw/images/a.tif", pixels, CORNER, UTM33, nodata=0)
    raster.write(tmp_path / "raw/masks/a.tif", patches(96, 96, 2)[None], CORNER, UTM33)
    everything = {tile.id: tile for tile in read_index(cut(tmp_path, "all"))}
    with console.capture() as printed:
        root = cut(tmp_path, "some", min_valid=0.3)

    kept = read_index(root)
    share = {name: 1 - tile.invalid / 1024 for name, tile in everything.items()}
    assert [tile.id for tile in kept] == [name for name, valid in share.items() if valid >= 0.3]
    assert 0 < len(kept) < len(everything)
    assert all(tile == everything[tile.id] for tile in kept), "cores stay as they are"
    assert not (root / "tiles/a/00000_00000_image.tif").exists()
    entry = json.loads((root / "dataset.json").read_text())["scenes"][0]
    assert (entry["tiles"], entry["skipped"]) == (len(kept), len(everything) - len(kept))
    assert sum(entry["counts"]) == 96 * 56, "the scene is counted whole"
    (line,) = (line for line in printed.get().splitlines() if "left out" in line)
    assert str(entry["skipped"]) in line


def test_a_folder_without_any_tile_is_refused(tmp_path: Path) -> None:
    numbers(tmp_path)
    raster.write(tmp_path / "raw/images/a.tif", np.zeros((1, 40, 40), np.uint8), CORNER, UTM33)
    raster.write(tmp_path / "raw/masks/a.tif", np.zeros((1, 40, 40), np.uint8), CORNER, UTM33)

    with pytest.raises(InvalidRaster, match=r"No tile of .* choose a smaller --min-valid"):
        cut(tmp_path, nodata=0, min_valid=0.1)
    assert not (tmp_path / "tiles/dataset.json").exists()


@pytest.mark.parametrize(("largest", "sentence"), [(4000, "use 12 of 16 bits: the largest is 4,000"), (65535, None)])
def test_the_summary_says_how_many_bits_are_used(tmp_path: Path, largest: int, sentence: str | None) -> None:
    numbers(tmp_path)
    form = {"driver": "GTiff", "height": 40, "width": 40, "count": 1, "dtype": "uint16"}
    pixels = np.full((1, 40, 40), 100, np.uint16)
    pixels[0, 7, 8] = largest
    (tmp_path / "raw/images").mkdir(parents=True)
    bits = {} if sentence is None else {"nbits": 12}
    with rasterio.open(tmp_path / "raw/images/a.tif", "w", **form, **bits, transform=CORNER, crs=UTM33) as target:
        target.write(pixels)
    raster.write(tmp_path / "raw/masks/a.tif", patches(40, 40, 2)[None], CORNER, UTM33)

    with console.capture() as printed:
        root = cut(tmp_path)

    assert ("of 16 bits" in printed.get()) == (sentence is not None)
    assert (sentence or "") in printed.get()
    assert json.loads((root / "dataset.json").read_text())["statistics"]["highest"] == [largest]


def test_a_note_about_many_scenes_is_said_once(tmp_path: Path) -> None:
    for number in range(5):
        scene(tmp_path, f"s{number}", height=20, width=20)

    with console.capture() as printed:
        cut(tmp_path, gsd=0.5)

    assert "s0, s1, s2 and 2 more: resampled" in printed.get()
    assert printed.get().count("resampled") == 1


def test_of_many_failed_scenes_a_few_are_named_and_a_file_says_all(tmp_path: Path) -> None:
    for number in range(7):
        scene(tmp_path, f"s{number}", height=20, width=20, transform=PLACELESS)

    with pytest.raises(
        InvalidRaster, match=r"s0\.tif has no place on the ground.*6 more scenes.*example s1, s2, s3: see"
    ):
        cut(tmp_path, gsd=0.5)

    lines = (tmp_path / "tiles" / FAILED).read_text().splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"s{number}" for number in range(7)]
    assert all("give it a world file" in line for line in lines)
    cut(tmp_path)
    assert not (tmp_path / "tiles" / FAILED).exists()


def test_large_tiffs_are_read(tmp_path: Path) -> None:
    scene(tmp_path, height=40, width=40)
    pixels = raster.read(tmp_path / "raw/images/north.tif")
    form = {"driver": "GTiff", "height": 40, "width": 40, "count": 3, "dtype": "uint8", "bigtiff": "YES"}
    with rasterio.open(tmp_path / "raw/images/north.tif", "w", **form, transform=CORNER, crs=UTM33) as target:
        target.write(pixels)
    assert (tmp_path / "raw/images/north.tif").read_bytes()[2] == 43, "the mark of a BigTIFF"

    root = cut(tmp_path)

    np.testing.assert_array_equal(mosaic(root, "image", read_index(root)), pixels)
