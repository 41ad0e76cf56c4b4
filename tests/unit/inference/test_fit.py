"""Whether an image looks like those of the training."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

from saticl.geo import raster
from saticl.geo.imagery import open_image
from saticl.inference.fit import sample, what_does_not_fit
from tests.trained import info

UTM33 = raster.parse_crs("EPSG:32633")


def said(tmp_path: Path, values: float, gsd: float, dark_bands: int = 3) -> list[str]:
    pixels = np.random.default_rng(0).normal(100, 50, (3, 300, 300)).clip(1, 255)
    pixels[:dark_bands] = (pixels[:dark_bands] + values).clip(1, 255)
    raster.write(tmp_path / "x.tif", pixels.astype(np.float32), Affine(gsd, 0, 5e5, 0, -gsd, 58e5), UTM33)
    about = info(0, ground_size=0.5, mean=(100.0,) * 3, std=(50.0,) * 3)
    with open_image(str(tmp_path / "x.tif"), about.bands) as reader:
        return list(what_does_not_fit(reader, about))


def test_an_image_like_those_of_the_training_is_no_reason_for_a_word(tmp_path: Path) -> None:
    assert said(tmp_path, 0, 0.55) == []


def test_values_that_are_far_in_all_bands_are_said(tmp_path: Path) -> None:
    (sentence,) = said(tmp_path, 110, 0.5)

    assert "the pixel values of" in sentence
    assert "red: " in sentence
    assert said(tmp_path, 110, 0.5, dark_bands=1) == []


@pytest.mark.parametrize("gsd", [0.3, 0.7])
def test_another_ground_resolution_is_said(gsd: float, tmp_path: Path) -> None:
    (sentence,) = said(tmp_path, 0, gsd)

    assert f"covers {gsd} m of ground, one of the training 0.5 m" in sentence


def test_pixels_without_data_are_not_looked_at(tmp_path: Path) -> None:
    pixels = np.full((3, 600, 600), 7, np.uint8)
    valid = np.zeros((600, 600), np.bool_)
    valid[:10, :10] = True
    raster.write(tmp_path / "x.tif", pixels, Affine.identity(), None, valid=valid)

    with open_image(str(tmp_path / "x.tif"), ("red", "green", "blue")) as reader:
        values = sample(reader)

    assert values.shape == (3, 100)
    assert (values == 7).all()


def test_control_points_and_a_band_that_is_marked_as_transparency_are_said(tmp_path: Path) -> None:
    points = [GroundControlPoint(row, col, 10 + col, 50 - row) for row, col in ((0, 0), (0, 90), (90, 0), (90, 90))]
    profile = {"driver": "GTiff", "height": 100, "width": 100, "count": 4, "dtype": "uint8"}
    profile |= {"photometric": "RGB", "alpha": "YES"}
    with rasterio.open(tmp_path / "x.tif", "w", gcps=points, crs="EPSG:4326", **profile) as target:
        target.write(np.full((4, 100, 100), 100, np.uint8))
    about = info(0, bands=("red", "green", "blue", "nir"), mean=(100.0,) * 4, std=(50.0,) * 4)

    with open_image(str(tmp_path / "x.tif"), about.bands) as reader:
        sentences = " ".join(what_does_not_fit(reader, about))

    assert "says by control points where it lies, which maps do not keep" in sentences
    assert "is marked as transparency, and is read as nir" in sentences
