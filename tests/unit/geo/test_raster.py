import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from saticl.errors import InvalidOptions, InvalidRaster, UnwritableFile
from saticl.files import Fingerprint
from saticl.geo import raster
from saticl.geo.windows import Window

TRANSFORM = Affine(0.05, 0, 366_000.5, 0, -0.05, 5_808_000.25)
UTM33 = CRS.from_epsg(32633)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [1, 3, 4, 6])
def test_pixels_transform_and_crs_survive(tmp_path: Path, dtype: str, bands: int) -> None:
    pixels = (np.random.default_rng(0).random((bands, 33, 47)) * 250).astype(dtype)

    raster.write(tmp_path / "tile.tif", pixels, TRANSFORM, UTM33)

    np.testing.assert_array_equal(raster.read(tmp_path / "tile.tif"), pixels)
    with rasterio.open(tmp_path / "tile.tif") as source:
        assert source.dtypes == (dtype,) * bands
        assert source.transform.almost_equals(TRANSFORM)
        assert source.crs == UTM33
        assert source.compression.name == "zstd"
        assert len(list(source.block_windows(1))) == 1


def test_near_infrared_is_not_taken_for_transparency(tmp_path: Path) -> None:
    raster.write(tmp_path / "tile.tif", np.zeros((4, 8, 8), np.uint8), TRANSFORM, None)

    with rasterio.open(tmp_path / "tile.tif") as source:
        assert ColorInterp.alpha not in source.colorinterp


def test_masks_carry_their_colours_and_nodata(tmp_path: Path) -> None:
    colours = {0: (10, 20, 30), 1: (40, 50, 60)}

    raster.write(tmp_path / "mask.tif", np.ones((1, 8, 8), np.uint8), TRANSFORM, UTM33, 255, colours)

    with rasterio.open(tmp_path / "mask.tif") as source:
        assert source.nodata == 255
        assert source.colormap(1)[1][:3] == (40, 50, 60)


def test_a_raster_without_georeference_is_written_and_read_without_a_warning(tmp_path: Path) -> None:
    raster.write(tmp_path / "tile.tif", np.ones((3, 8, 8), np.uint8), Affine.identity(), None)

    assert raster.read(tmp_path / "tile.tif").sum() == 3 * 64


def test_a_window_is_read_as_it_lies_in_the_whole(tmp_path: Path) -> None:
    pixels = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
    raster.write(tmp_path / "tile.tif", pixels, TRANSFORM, None)

    with raster.opened(tmp_path / "tile.tif") as source:
        found = raster.read_bands(source, [3, 1], Window(5, 7, 10, 11))

    np.testing.assert_array_equal(found, pixels[[2, 0], 5:15, 7:18])


def test_the_transform_of_a_window_begins_at_its_corner() -> None:
    turned = Affine(0.04, 0.03, 100, 0.03, -0.04, 200)

    assert raster.shifted(turned, 20, 10) @ (0, 0) == pytest.approx(turned @ (10, 20))


def test_a_truncated_raster_is_named(tmp_path: Path) -> None:
    path = tmp_path / "half.tif"
    raster.write(path, np.random.default_rng(0).integers(0, 255, (3, 200, 200), np.uint8), TRANSFORM, None)
    path.write_bytes(path.read_bytes()[:60_000])

    with pytest.raises(InvalidRaster, match=r"half\.tif.*damaged"):
        raster.read(path)


def test_a_file_that_is_no_raster_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.tif").write_text("<html>404</html>")

    with pytest.raises(InvalidRaster, match=r"page\.tif"):
        raster.read(tmp_path / "page.tif")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="illegal"):
        raster.write(tmp_path / "tile.tif", np.zeros((3, 0, 8), np.uint8), TRANSFORM, None, 255, {0: (0, 0, 0)})

    assert list(tmp_path.iterdir()) == []


def test_a_write_returns_what_the_file_is_recognised_by(tmp_path: Path) -> None:
    found = raster.write(tmp_path / "tile.tif", np.ones((3, 8, 8), np.uint8), TRANSFORM, UTM33)

    assert found == Fingerprint.of((tmp_path / "tile.tif").read_bytes())
    assert found.size > 0


@pytest.fixture
def small_files() -> Iterator[None]:
    """The operating system writes no more than 4096 bytes of any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
def test_a_file_that_the_disk_does_not_take_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 64, 64), np.uint8)

    with pytest.raises(UnwritableFile, match=r"tile\.tif cannot be written \(File too large\)"):
        raster.write(tmp_path / "tile.tif", noise, TRANSFORM, UTM33)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [1, 3, 5])
def test_pixels_without_data_are_kept_inside_the_file(tmp_path: Path, dtype: str, bands: int) -> None:
    pixels = np.zeros((bands, 20, 30), dtype)
    valid = np.random.default_rng(0).random((20, 30)) < 0.7

    raster.write(tmp_path / "tile.tif", pixels, TRANSFORM, UTM33, valid=valid)

    assert [path.name for path in tmp_path.iterdir()] == ["tile.tif"]
    np.testing.assert_array_equal(raster.read(tmp_path / "tile.tif"), pixels)
    with rasterio.open(tmp_path / "tile.tif") as source:
        np.testing.assert_array_equal(source.dataset_mask() > 0, valid)
        assert source.count == bands


def test_a_damaged_tile_says_how_it_is_cut_anew(tmp_path: Path) -> None:
    (tmp_path / "tile.tif").write_bytes(b"")

    for name in ("tile.tif", "lost.tif"):
        with pytest.raises(InvalidRaster, match=rf"{name} is missing or damaged .*same `prepare` command again"):
            raster.read(tmp_path / name)


def test_an_unknown_coordinate_system_is_refused_with_an_example() -> None:
    with pytest.raises(InvalidOptions, match=r"'EPSG:abc'.*EPSG:32633"):
        raster.parse_crs("EPSG:abc")


def test_a_tile_that_is_gone_is_cut_anew_whether_its_pixels_or_their_validity_is_read(tmp_path: Path) -> None:
    for reading in (raster.read, raster.read_valid):
        with pytest.raises(InvalidRaster, match=r"gone\.tif is missing or damaged .* cuts such tiles again"):
            reading(tmp_path / "gone.tif")
