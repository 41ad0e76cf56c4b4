"""Masks of types that real collections come with: read rightly, or refused in a sentence."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from saticl.datasets.base import Request
from saticl.datasets.isprs import COLOURS
from saticl.datasets.potsdam import Potsdam
from saticl.datasets.vaihingen import Vaihingen
from saticl.errors import InvalidRaster
from saticl.geo.palette import encode
from saticl.geo.raster import write
from tests.raw import HERE, labels, potsdam_scene, vaihingen_scene, whole
from tests.unit.datasets.test_folder import described, raw  # noqa: F401 - a fixture

PARTIAL = Request(allow_missing=True)


def write_mask(path: Path, pixels: np.ndarray, colours: dict[int, tuple[int, ...]] | None = None) -> None:
    """A TIFF of any type, with a palette where colours are given."""
    bands, height, width = pixels.shape
    profile = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": pixels.dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as target:
            target.write(pixels)
            if colours is not None:
                target.colorinterp = [ColorInterp.palette]
                target.write_colormap(1, colours)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_colours_of_other_types_than_bytes_are_refused(tmp_path: Path, dtype: str) -> None:
    potsdam_scene(tmp_path, 2, 10)
    vaihingen_scene(tmp_path, 1)
    potsdam = tmp_path / "5_Labels_all" / "top_potsdam_2_10_label.tif"
    vaihingen = tmp_path / "gts_for_participants" / "top_mosaic_09cm_area1.tif"
    write_mask(potsdam, encode(labels(90, 100), COLOURS).astype(dtype))
    write_mask(vaihingen, encode(labels(70, 60), COLOURS).astype(dtype))

    for adapter, path in ((Potsdam(), potsdam), (Vaihingen(), vaihingen)):
        with pytest.raises(InvalidRaster, match=rf"{path.name} is of type {dtype}, .* 8 bits .* convert it"):
            whole(adapter.scenes(tmp_path, PARTIAL)[0])


def test_a_palette_of_16_bits_is_refused(tmp_path: Path) -> None:
    potsdam_scene(tmp_path, 2, 10)
    path = tmp_path / "5_Labels_all" / "top_potsdam_2_10_label.tif"
    write_mask(
        path, labels(90, 100)[None].astype(np.uint16) + 300, {300 + i: (*c, 255) for i, c in enumerate(COLOURS)}
    )

    with pytest.raises(InvalidRaster, match=r"label\.tif is of type uint16"):
        whole(Potsdam().scenes(tmp_path, PARTIAL)[0])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int32", "uint32", "uint64", "int64", "float32"])
def test_whole_numbers_of_any_type_are_labels(tmp_path: Path, raw: Path, dtype: str) -> None:  # noqa: F811
    mask = labels(40, 50, classes=3)
    write_mask(raw / "A/masks/one.png", mask[None].astype(dtype))
    adapter = described(tmp_path, classes={"house": 1, "street": 2}, ignore=[0])

    found = whole(adapter.scenes(raw, Request())[0])[2]

    np.testing.assert_array_equal(found, np.array([255, 0, 1], np.uint8)[mask])


@pytest.mark.parametrize("value", [0.7, 1.5, -0.2, float("nan"), float("inf")])
def test_numbers_that_are_not_whole_are_refused_with_one_of_them(
    tmp_path: Path,
    raw: Path,  # noqa: F811
    value: float,
) -> None:
    mask = labels(40, 50, classes=2)[None].astype(np.float32)
    mask[0, 3, 4:7] = value
    write_mask(raw / "A/masks/one.png", mask)
    adapter = described(tmp_path, classes={"house": 0, "street": 1}, ignore=[2])

    with pytest.raises(
        InvalidRaster, match=rf"3 pixels of 1 value .* {value:g} \(3 pixels\): masks hold whole numbers"
    ):
        whole(adapter.scenes(raw, Request())[0])


def test_complex_numbers_are_refused(tmp_path: Path, raw: Path) -> None:  # noqa: F811
    write_mask(raw / "A/masks/one.png", np.zeros((1, 40, 50), np.complex64))
    adapter = described(tmp_path, classes={"house": 0}, ignore=[])

    with pytest.raises(InvalidRaster, match="is of type complex64, but a mask of numbers holds integers"):
        whole(adapter.scenes(raw, Request())[0])


def test_negative_numbers_may_be_classes_and_may_be_ignored(tmp_path: Path, raw: Path) -> None:  # noqa: F811
    mask = labels(40, 50, classes=3).astype(np.int16)[None]
    write_mask(raw / "A/masks/one.png", np.array([-1, -300, 7], np.int16)[mask])
    adapter = described(tmp_path, classes={"house": -300, "street": 7}, ignore=[-1])

    found = whole(adapter.scenes(raw, Request())[0])[2]

    np.testing.assert_array_equal(found, np.array([255, 0, 1], np.uint8)[mask[0]])


def test_a_number_below_and_one_above_all_known_ones_are_unknown(tmp_path: Path, raw: Path) -> None:  # noqa: F811
    mask = np.full((1, 40, 50), -3, np.int16)
    mask[0, 0, :2] = -5, 9
    write_mask(raw / "A/masks/one.png", mask)
    adapter = described(tmp_path, classes={"house": -3, "street": -2}, ignore=[-4])

    with pytest.raises(
        InvalidRaster, match=r"2 pixels of 2 values .* such as -5 \(1 pixels\): repair the mask, or add it to"
    ):
        whole(adapter.scenes(raw, Request())[0])


def test_values_of_no_class_are_counted_over_the_whole_of_a_tall_mask(tmp_path: Path, raw: Path) -> None:  # noqa: F811
    mask = np.zeros((1, 1100, 4), np.uint8)
    mask[0, [0, 1, 511, 512, 513, 1023, 1024, 1099], 2] = 9
    write_mask(raw / "A/masks/one.png", mask)
    write(raw / "A/images/one.tif", np.zeros((3, 1100, 4), np.uint8), HERE, None)

    with pytest.raises(InvalidRaster, match=r"has 8 pixels of 1 value .* such as 9 \(8 pixels\)"):
        whole(described(tmp_path, classes={"house": 0, "street": 1}, ignore=[]).scenes(raw, Request())[0])
