"""Rasters read on another grid: the same pixels in any windows, the right ones, and refusals in one sentence."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from saticl.errors import InvalidOptions, InvalidRaster
from saticl.geo import raster
from saticl.geo.grids import MAX_FACTOR, Wanted, regrid
from saticl.geo.ground import ground_size
from saticl.geo.imagery import open_image
from saticl.geo.place import Place
from saticl.geo.windows import Window
from tests.grids import CORNER, UTM33

HERE = Place(CORNER, UTM33, 130, 170)
DEGREES = Place(Affine(1e-5, 0, 13, 0, -1e-5, 52), CRS.from_epsg(4326), 130, 170)


def written(path: Path, pixels: NDArray[Any], transform: Affine = CORNER, **settings: Any) -> str:
    raster.write(path, pixels, transform, UTM33, **settings)
    return str(path)


def noise(height: int = 130, width: int = 170, bands: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(1, 255, (bands, height, width), np.uint8)


def read(path: str, wanted: Wanted, **options: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The whole image on a grid, and where it holds no data."""
    bands = tuple("abcdef"[: options.pop("bands", 3)])
    with raster.environment(), open_image(path, bands, wanted=wanted, **options) as reader:
        patch = reader.read(Window(0, 0, reader.height, reader.width))
        empty = np.zeros(patch.image.shape[1:], bool) if patch.invalid is None else patch.invalid
        return patch.image, empty


@pytest.mark.parametrize("wanted", [Wanted(0.17), Wanted(0.7), Wanted(0.2, "EPSG:3035"), Wanted(crs="EPSG:4326")])
@pytest.mark.parametrize("nodata", [None, -9999])
def test_pixels_do_not_depend_on_the_windows(tmp_path: Path, wanted: Wanted, nodata: float | None) -> None:
    pixels = noise(300, 400).astype(np.float32 if nodata == -9999 else np.uint8)
    pixels[:, 200:300, 100:300] = nodata or 0
    path = written(tmp_path / "image.tif", pixels, nodata=nodata)
    whole, empty = read(path, wanted)

    for height, width in ((33, 2000), (101, 57)):
        with raster.environment(), open_image(path, ("a", "b", "c"), wanted=wanted) as reader:
            for row, col in product(range(0, reader.height, height), range(0, reader.width, width)):
                window = Window(row, col, min(height, reader.height - row), min(width, reader.width - col))
                patch = reader.read(window)
                np.testing.assert_array_equal(patch.image, whole[:, *window.slices])
                found = np.zeros(patch.image.shape[1:], bool) if patch.invalid is None else patch.invalid
                np.testing.assert_array_equal(found, empty[window.slices])


def test_larger_pixels_are_means_and_smaller_ones_lie_between_their_neighbours(tmp_path: Path) -> None:
    pixels = noise()
    path = written(tmp_path / "image.tif", pixels)

    coarse, _ = read(path, Wanted(0.5))
    fine, _ = read(path, Wanted(0.125))

    means = pixels.reshape(3, 65, 2, 85, 2).mean(axis=(2, 4))
    assert coarse.shape == (3, 65, 85)
    assert np.abs(coarse - means).max() <= 0.5
    assert fine.shape == (3, 260, 340)
    wide = pixels.astype(float)
    between = 0.75 * wide[:, 10, 10:150] + 0.25 * wide[:, 10, 11:151]
    rows = [between, 0.75 * wide[:, 11, 10:150] + 0.25 * wide[:, 11, 11:151]]
    assert np.abs(fine[:, 21, 21:301:2] - (0.75 * rows[0] + 0.25 * rows[1])).max() <= 0.6


def test_the_grid_begins_at_the_corner_and_covers_all(tmp_path: Path) -> None:
    regridded = regrid(HERE, Wanted(0.4), "image")

    assert regridded is not None
    assert regridded.grid == Place(Affine(0.4, 0, 500_000, 0, -0.4, 5_800_000), UTM33, 82, 107)  # 32.5 m and 42.5 m
    assert "from 0.25 metre per pixel in EPSG:32633 to 0.4 metre per pixel in EPSG:32633" in regridded.note
    assert "averaged" in regridded.note


def test_another_system_keeps_the_ground_that_a_pixel_covers() -> None:
    regridded = regrid(HERE, Wanted(crs="EPSG:3035"), "image")

    assert regridded is not None
    assert regridded.grid.crs == CRS.from_epsg(3035)
    assert ground_size(regridded.grid.transform, regridded.grid.crs) == pytest.approx(0.25, rel=0.02)


def test_degrees_become_metres() -> None:
    regridded = regrid(DEGREES, Wanted(0.5, "EPSG:32633"), "image")

    assert regridded is not None
    assert regridded.grid.transform.a == 0.5
    assert "in EPSG:4326 to 0.5 metre" in regridded.note


def test_feet_are_counted_in_metres() -> None:
    feet = Place(Affine(1, 0, 984_250, 0, -1, 160_000), CRS.from_epsg(2263), 100, 100)
    regridded = regrid(feet, Wanted(0.6096012), "image")

    assert regridded is not None
    assert regridded.grid.transform.a == pytest.approx(2, rel=1e-5)
    assert (regridded.grid.height, regridded.grid.width) == (50, 50)


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(0.25), Wanted(0.2500001), Wanted(0.25, "EPSG:32633")])
def test_a_raster_that_is_as_wanted_is_left_alone(wanted: Wanted) -> None:
    assert regrid(HERE, wanted, "image") is None


def test_turned_and_mirrored_rasters_are_set_upright(tmp_path: Path) -> None:
    pixels = noise()
    mirrored = Affine(0.25, 0, 500_000, 0, 0.25, 5_800_000 - 130 * 0.25)

    found, _ = read(written(tmp_path / "image.tif", pixels[:, ::-1], mirrored), Wanted(0.25))

    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("nodata", [0, -9999, float("nan")])
@pytest.mark.parametrize("target", [0.5, 0.2])
def test_pixels_without_data_stay_without_and_leak_into_none(tmp_path: Path, nodata: float, target: float) -> None:
    pixels = np.full((3, 60, 80), 100, np.float32)
    pixels[:, :, :40] = nodata

    found, empty = read(written(tmp_path / "image.tif", pixels, nodata=nodata), Wanted(target))

    half = found.shape[2] // 2
    assert empty[:, : half - 2].all()
    assert not empty[:, half + 2 :].any()
    assert set(np.unique(found)) == {0, 100}


def test_a_value_that_nothing_measures_counts_in_one_band(tmp_path: Path) -> None:
    pixels = np.full((3, 60, 80), 100, np.float32)
    pixels[1, :, :40] = -9999

    found, empty = read(written(tmp_path / "image.tif", pixels, nodata=-9999), Wanted(0.5))

    assert empty[:, :19].all()
    assert set(np.unique(found)) == {0, 100}


def test_masks_inside_the_file_and_transparency_are_read_on_the_grid(tmp_path: Path) -> None:
    valid = np.ones((60, 80), bool)
    valid[:, :40] = False
    written(tmp_path / "masked.tif", np.full((3, 60, 80), 100, np.uint8), valid=valid)
    form = {"driver": "GTiff", "height": 60, "width": 80, "count": 4, "dtype": "uint8", "photometric": "RGB"}
    with rasterio.open(tmp_path / "clear.tif", "w", **form, alpha="YES", transform=CORNER, crs=UTM33) as target:
        target.write(np.concatenate([np.full((3, 60, 80), 100, np.uint8), 255 * valid[None].astype(np.uint8)]))

    for name in ("masked.tif", "clear.tif"):
        found, empty = read(str(tmp_path / name), Wanted(0.5))
        np.testing.assert_array_equal(empty, ~valid[::2, ::2])
        assert set(np.unique(found)) == {0, 100}


def test_a_value_without_data_may_be_given_where_the_file_names_none(tmp_path: Path) -> None:
    pixels = np.full((3, 60, 80), 100, np.uint8)
    pixels[:, :, :40] = 7
    path = written(tmp_path / "image.tif", pixels)
    own = written(tmp_path / "own.tif", pixels, nodata=100)

    for wanted, half in ((Wanted(), 40), (Wanted(0.5), 20)):
        _, empty = read(path, wanted, nodata=7)
        _, other = read(own, wanted, nodata=7)
        assert empty[:, :half].all()
        assert not empty[:, half:].any()
        np.testing.assert_array_equal(other, ~empty)


def test_heights_of_another_grid_are_brought_to_that_of_the_image(tmp_path: Path) -> None:
    path = written(tmp_path / "image.tif", noise())
    coarse = Affine(1, 0, 500_000, 0, -1, 5_800_000)
    heights = np.repeat(np.arange(43, dtype=np.float32)[None, None], 33, axis=1)
    written(tmp_path / "dsm.tif", heights, coarse, nodata=-99)

    with open_image(path, ("a", "b", "c"), str(tmp_path / "dsm.tif"), wanted=Wanted(1.0)) as reader:
        patch = reader.read(Window(0, 0, reader.height, reader.width))

    assert patch.dsm is not None
    np.testing.assert_array_equal(patch.dsm[0, :32, :42], heights[0, :32, :42])


def test_heights_that_miss_a_column_and_do_not_say_where_lie_at_the_corner(tmp_path: Path) -> None:
    path = written(tmp_path / "image.tif", noise())
    raster.write(tmp_path / "dsm.tif", np.full((1, 130, 169), 5, np.float32), Affine.identity(), None)

    with open_image(path, ("a", "b", "c"), str(tmp_path / "dsm.tif"), wanted=Wanted(0.125)) as reader:
        patch = reader.read(Window(0, 0, reader.height, reader.width))

    assert patch.invalid is not None
    assert patch.dsm is not None
    assert patch.invalid[:, -1].all()
    assert (patch.dsm[:, :, :330] == 5).all()


@pytest.mark.parametrize(
    ("place", "wanted", "sentence"),
    [
        (DEGREES, Wanted(0.5), "image lies in EPSG:4326, which counts in degrees.*add --target-crs"),
        (replace(HERE, transform=Affine.identity()), Wanted(0.5), "no place on the ground, so --gsd.*world file"),
        (replace(HERE, transform=Affine.identity()), Wanted(crs="EPSG:3035"), "so --target-crs is not possible"),
        (replace(HERE, crs=None), Wanted(0.5), "names no coordinate system, so --gsd.*--crs"),
        (HERE, Wanted(0.5, "EPSG:3857"), r"A metre of EPSG:3857 is 0\.6\d m on the ground where image lies"),
        (HERE, Wanted(0.26 * MAX_FACTOR), "at most 64 is possible"),
        (replace(HERE, crs=CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')), Wanted(crs="EPSG:3035"), "from site to"),
        (replace(HERE, transform=Affine(1, 0, 1e12, 0, -1, 1e12)), Wanted(crs="EPSG:3035"), "to EPSG:3035: correct"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(place: Place, wanted: Wanted, sentence: str) -> None:
    with pytest.raises(InvalidRaster, match=sentence):
        regrid(place, wanted, "image")


def test_metres_do_not_go_with_degrees() -> None:
    with pytest.raises(InvalidOptions, match="--gsd counts in metres, but --target-crs EPSG:4326 in degrees"):
        Wanted(0.5, "EPSG:4326").check()
    with pytest.raises(InvalidOptions, match="'EPSG:0' is not known: write an EPSG code after --target-crs"):
        Wanted(crs="EPSG:0").check()
    Wanted(crs="EPSG:4326").check()
