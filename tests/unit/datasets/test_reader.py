"""A scene is an image and perhaps a mask; either can be read without the other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from saticl.datasets.base import Request
from saticl.datasets.potsdam import Potsdam
from saticl.datasets.reader import open_scene
from saticl.errors import InvalidRaster
from saticl.geo.grids import Wanted
from saticl.geo.imagery import open_image
from saticl.geo.raster import parse_crs, write
from saticl.geo.windows import Window
from saticl.labels import IGNORE
from tests.raw import HERE, potsdam_scene, transform_of, world_file

WINDOW = Window(10, 20, 30, 40)


def test_an_image_is_read_without_a_mask_as_it_is_with_one(tmp_path: Path) -> None:
    potsdam_scene(tmp_path, 3, 13, dsm_width=99)
    (scene,) = Potsdam().scenes(tmp_path, Request({"dsm": True}, crs="EPSG:32633", allow_missing=True))
    (tmp_path / "5_Labels_all").rename(tmp_path / "gone")
    assert scene.dsm is not None

    with open_image(scene.image, scene.bands, scene.dsm, scene.crs) as alone:
        patch = alone.read(WINDOW)

    (tmp_path / "gone").rename(tmp_path / "5_Labels_all")
    with open_scene(scene) as reader:
        layers = reader.read(WINDOW).layers
        assert (alone.height, alone.width) == (reader.height, reader.width) == (90, 100)
        assert (alone.transform, alone.crs, alone.notes) == (reader.transform, reader.crs, reader.notes)
    np.testing.assert_array_equal(patch.image, layers.image)
    np.testing.assert_array_equal(patch.dsm, layers.dsm)
    assert patch.invalid is None


def test_pixels_without_data_are_flagged_and_zero_in_image_and_surface_model(tmp_path: Path) -> None:
    image, heights = np.full((2, 20, 30), 9, np.uint16), np.full((1, 20, 30), 5, np.float32)
    image[:, 0, :3] = 7
    heights[0, 1, 4] = -99
    write(tmp_path / "image.tif", image, HERE, None, nodata=7)
    write(tmp_path / "dsm.tif", heights, HERE, None, nodata=-99)

    with open_image(str(tmp_path / "image.tif"), ("a", "b"), str(tmp_path / "dsm.tif")) as reader:
        patch = reader.read(Window(0, 0, 20, 30))

    expected = np.zeros((20, 30), bool)
    expected[0, :3] = expected[1, 4] = True
    assert patch.invalid is not None
    assert patch.dsm is not None
    np.testing.assert_array_equal(patch.invalid, expected)
    np.testing.assert_array_equal(patch.image, np.where(expected, 0, 9)[None].repeat(2, 0))
    np.testing.assert_array_equal(patch.dsm, np.where(expected, 0, 5)[None])


def test_images_of_complex_numbers_are_refused(tmp_path: Path) -> None:
    form = {"driver": "GTiff", "height": 20, "width": 30, "count": 2, "dtype": "complex64"}
    with rasterio.open(tmp_path / "radar.tif", "w", **form, transform=transform_of(2, 10)) as target:
        target.write(np.ones((2, 20, 30), np.complex64))

    with (
        pytest.raises(InvalidRaster, match=r"radar\.tif holds complex numbers .*: convert it"),
        open_image(str(tmp_path / "radar.tif"), ("vv", "vh")),
    ):
        pass


def test_a_scene_without_a_mask_is_ignored_everywhere(tmp_path: Path) -> None:
    potsdam_scene(tmp_path, 2, 10)
    (scene,) = Potsdam().scenes(tmp_path, Request(allow_missing=True))

    with open_scene(scene) as labelled, open_scene(replace(scene, mask=None)) as reader:
        known, pixels = labelled.read(WINDOW), reader.read(WINDOW)

    np.testing.assert_array_equal(pixels.layers.image, known.layers.image)
    assert pixels.layers.mask.shape == (30, 40)
    assert (pixels.layers.mask == IGNORE).all()
    assert pixels.unknown is pixels.inexact is None


def test_a_world_file_beside_the_mask_serves_the_scene(tmp_path: Path) -> None:
    potsdam_scene(tmp_path, 2, 10)
    world = tmp_path / "2_Ortho_RGB/top_potsdam_2_10_RGB.tfw"
    world.rename(tmp_path / "5_Labels_all/top_potsdam_2_10_label.tfw")
    (scene,) = Potsdam().scenes(tmp_path, Request(allow_missing=True))

    with open_scene(scene) as reader:
        assert reader.transform.almost_equals(transform_of(2, 10), 1e-6)


def test_the_place_is_that_of_the_image_before_the_mask_before_the_surface_model(tmp_path: Path) -> None:
    potsdam_scene(tmp_path, 2, 10)
    image = tmp_path / "2_Ortho_RGB/top_potsdam_2_10_RGB.tif"
    world_file(tmp_path / "5_Labels_all/top_potsdam_2_10_label.tif", 3, 11)
    world_file(tmp_path / "1_DSM/dsm_potsdam_02_10.tif", 4, 12)
    (scene,) = Potsdam().scenes(tmp_path, Request({"dsm": True}, allow_missing=True))

    with open_scene(scene) as reader:
        assert reader.transform.almost_equals(transform_of(2, 10), 1e-6)
    image.with_suffix(".tfw").unlink()
    with open_scene(scene) as reader:
        assert reader.transform.almost_equals(transform_of(3, 11), 1e-6)
    with open_scene(replace(scene, mask=None)) as reader:
        assert reader.transform.almost_equals(transform_of(4, 12), 1e-6)


def test_the_coordinate_system_of_a_file_goes_before_the_fallback(tmp_path: Path) -> None:
    write(tmp_path / "image.tif", np.zeros((1, 20, 30), np.uint8), transform_of(2, 10), parse_crs("EPSG:25832"))
    write(tmp_path / "bare.tif", np.zeros((1, 20, 30), np.uint8), transform_of(2, 10), None)

    for name, crs, expected in (("image", "EPSG:32633", 25832), ("bare", "EPSG:32633", 32633), ("bare", None, None)):
        with open_image(str(tmp_path / f"{name}.tif"), ("a",), crs=crs) as reader:
            assert (reader.crs and reader.crs.to_epsg()) == expected


def in_two_files(root: Path, nodata: float | None = None) -> tuple[np.ndarray, str, str]:
    """An image of four bands, three in one file and the last in another."""
    image = np.random.default_rng(0).integers(1, 200, (4, 40, 30), np.uint8)
    image[:, 0, 0] = 0
    image[3, 1, 1] = 0  # dark in the second file only
    image[:3, 2, 2] = 0  # and in the first
    write(root / "rgb.tif", image[:3], transform_of(2, 10), parse_crs("EPSG:32633"), nodata)
    write(root / "nir.tif", image[3:], transform_of(2, 10), parse_crs("EPSG:32633"), nodata)
    return image, str(root / "rgb.tif"), str(root / "nir.tif")


BANDS = ("red", "green", "blue", "nir")


def test_an_image_of_several_files_has_the_bands_of_all(tmp_path: Path) -> None:
    image, rgb, nir = in_two_files(tmp_path)

    with open_image(rgb, BANDS, more=[nir]) as reader:
        patch = reader.read(Window(5, 3, 20, 10))

    assert reader.names == BANDS
    np.testing.assert_array_equal(patch.image, image[:, 5:25, 3:13])
    assert patch.invalid is None


@pytest.mark.parametrize("stands_in_the_files", [True, False])
def test_a_nodata_value_must_stand_in_the_bands_of_all_files(tmp_path: Path, stands_in_the_files: bool) -> None:
    image, rgb, nir = in_two_files(tmp_path, 0 if stands_in_the_files else None)

    with open_image(rgb, BANDS, nodata=0, more=[nir]) as reader:
        patch = reader.read(Window(0, 0, 40, 30))

    assert patch.invalid is not None
    assert np.argwhere(patch.invalid).tolist() == [[0, 0]]
    np.testing.assert_array_equal(patch.image, image)


def test_all_files_of_an_image_are_read_on_another_grid(tmp_path: Path) -> None:
    image, rgb, nir = in_two_files(tmp_path)

    with open_image(rgb, BANDS, wanted=Wanted(gsd=0.1), more=[nir]) as reader:
        patch = reader.read(Window(2, 2, 10, 10))

    means = image[:, 4:24, 4:24].reshape(4, 10, 2, 10, 2).mean(axis=(2, 4))
    assert (reader.height, reader.width) == (20, 15)
    assert np.abs(patch.image - means).max() <= 0.5


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (
            np.zeros((1, 40, 31), np.uint8),
            r"nir\.tif has 31 x 40 pixels .*rgb\.tif, a part of the same image, 30 x 40",
        ),
        (np.zeros((1, 40, 30), np.uint16), r"nir\.tif has .* uint16, .* uint8: check both"),
        (
            np.zeros((2, 40, 30), np.uint8),
            r"rgb\.tif and .*nir\.tif have 5 bands, but 4 are expected \(red, green, blue, nir\)",
        ),
        (np.zeros((1, 40, 30), np.complex64), r"nir\.tif holds complex numbers"),
    ],
)
def test_files_of_an_image_that_do_not_fit_are_refused(tmp_path: Path, pixels: np.ndarray, said: str) -> None:
    _, rgb, nir = in_two_files(tmp_path)
    write(Path(nir), pixels, transform_of(2, 10), None)

    with pytest.raises(InvalidRaster, match=said), open_image(rgb, BANDS, more=[nir]):
        pass


def test_all_files_of_a_scene_are_named(tmp_path: Path) -> None:
    potsdam_scene(tmp_path, 3, 13)
    (scene,) = Potsdam().scenes(tmp_path, Request(allow_missing=True))

    assert replace(scene, more=("nir.tif",)).files == (scene.image, "nir.tif", scene.mask)
