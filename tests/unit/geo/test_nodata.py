"""Which pixels hold no data: numbers that mark it, in all bands or in one."""

import warnings

import numpy as np
import pytest

from saticl.geo.nodata import blank


@pytest.mark.parametrize("nodata", [-9999.0, -1.0, 65536.0, float(np.finfo(np.float32).min)])
def test_one_band_with_a_nodata_value_that_no_image_measures_is_enough(nodata: float) -> None:
    pixels = np.full((3, 2, 2), 0.5, np.float32)
    pixels[1, 0, 1] = nodata

    flags = blank(pixels, nodata)

    assert flags is not None
    np.testing.assert_array_equal(flags, [[False, True], [False, False]])


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint8", 0), ("uint8", 255), ("uint16", 65535), ("float32", 0), ("float32", 65535)]
)
def test_a_value_that_a_band_may_well_measure_is_no_data_in_all_bands_only(dtype: str, nodata: int) -> None:
    pixels = np.full((2, 1, 3), 7, dtype)
    pixels[0, 0, :2] = pixels[1, 0, 1] = nodata

    flags = blank(pixels, float(nodata))

    assert flags is not None
    np.testing.assert_array_equal(flags, [[False, True, False]])


def test_one_band_that_is_not_a_number_is_enough() -> None:
    pixels = np.ones((2, 1, 3), np.float32)
    pixels[0, 0, 0], pixels[1, 0, 2] = np.nan, -np.inf

    flags = blank(pixels, None)

    assert flags is not None
    np.testing.assert_array_equal(flags, [[True, False, True]])


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint8", 256.0), ("uint8", 0.5), ("uint8", -1.0), ("float32", -1.7e308)]
)
def test_a_nodata_value_that_the_type_does_not_have_flags_nothing(dtype: str, nodata: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        assert blank(np.zeros((1, 2, 2), dtype), nodata) is None
