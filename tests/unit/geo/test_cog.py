"""Large rasters arrive strip by strip as cloud optimised GeoTIFFs, complete or not at all."""

import resource
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from saticl.errors import InvalidRaster, UnwritableFile
from saticl.geo import cog
from saticl.geo.cog import BLOCK, Header, class_tags, write_cog, write_palette_png, writing_cog

TRANSFORM, UTM33 = Affine(0.5, 0, 400_000, 0, -0.5, 5_600_000), CRS.from_epsg(32633)
COLOURS = {0: (0, 0, 0), 1: (255, 0, 0), 2: (0, 128, 255)}

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def classes(height: int, width: int, seed: int = 0) -> Any:
    """A map [1, H, W] of three classes and no data, as noise."""
    return np.random.default_rng(seed).choice(np.array([0, 1, 2, 255], np.uint8), (1, height, width))


def header_of(pixels: Any, **others: Any) -> Header:
    return Header(height=pixels.shape[1], width=pixels.shape[2], dtype=pixels.dtype, count=len(pixels), **others)


def strips(pixels: Any, heights: list[int]) -> Iterator[tuple[int, Any]]:
    """The rows in strips of these heights, again and again."""
    row, turn = 0, 0
    while row < pixels.shape[1]:
        height = heights[turn % len(heights)]
        yield row, pixels[:, row : row + height]
        row, turn = row + height, turn + 1


@settings(max_examples=15)
@given(
    st.integers(1, 1200),
    st.integers(1, 1200),
    st.lists(st.integers(1, 700), min_size=1, max_size=4),
    st.sampled_from([(1, "uint8"), (2, "float32"), (4, "uint8")]),
)
def test_strips_of_any_height_give_the_pixels_back(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, heights: list[int], kind: tuple[int, str]
) -> None:
    path = tmp_path_factory.mktemp("cog") / "map.tif"
    pixels = np.random.default_rng(0).integers(0, 5, (kind[0], height, width)).astype(kind[1])

    write_cog(path, strips(pixels, heights), header_of(pixels))

    with rasterio.open(path) as source:
        np.testing.assert_array_equal(source.read(), pixels)
        assert ColorInterp.alpha not in source.colorinterp
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("height", "width", "factors"),
    [(1, 1, []), (512, 512, []), (514, 2, [2]), (1, 1026, [2, 4]), (1500, 1300, [2, 4]), (300, 2052, [2, 4, 8])],
)
def test_it_is_optimised_for_the_cloud(tmp_path: Path, height: int, width: int, factors: list[int]) -> None:
    path = tmp_path / "map.tif"
    pixels = classes(height, width)

    write_cog(path, strips(pixels, [100]), header_of(pixels, nodata=255))

    with rasterio.open(path) as source:
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.block_shapes == [(BLOCK, BLOCK)]
        assert source.compression.name == "deflate"
        assert source.overviews(1) == factors
        offsets = [offset(source), *(offset(source, ovr=level) for level in range(len(factors)))]
    assert offsets == sorted(offsets, reverse=True)  # what a viewer shows first is read first
    for level in range(len(factors)):
        with rasterio.open(path, overview_level=level) as source:
            assert source.block_shapes == [(BLOCK, BLOCK)]
    assert not factors or max(source.shape) <= BLOCK


def offset(source: Any, **level: int) -> int:
    """Where in the file the first block of the image or of an overview is."""
    return int(source.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1, **level))


def test_overviews_show_the_most_frequent_class(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    pixels = np.tile(np.array([[1, 3, 255, 255], [3, 3, 255, 7]], np.uint8), (1, 400, 300))

    write_cog(path, [(0, pixels)], header_of(pixels, nodata=255))

    with rasterio.open(path, overview_level=0) as source:
        found = source.read(1)
    np.testing.assert_array_equal(found[:, 0::2], 3)
    assert set(np.unique(found[:, 1::2])) <= {7, 255}  # a class or none, never a number between


def test_overviews_show_the_mean_of_fractions_and_forget_what_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "confidence.tif"
    pixels = np.tile(np.array([[0.25, 0.5, np.nan, 1], [0.75, 0.5, np.nan, np.nan]], np.float32), (1, 400, 300))

    write_cog(path, [(0, pixels)], header_of(pixels, nodata=np.nan))

    with rasterio.open(path, overview_level=0) as source:
        np.testing.assert_allclose(source.read(1), np.tile([0.5, 1], (400, 300)))


def test_it_keeps_all_that_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    pixels = classes(600, 20)
    tags = class_tags({0: "background", 2: "Straße & <Weg>"}) | {"source": "north.tif"}

    header = header_of(pixels, transform=TRANSFORM, crs=UTM33, nodata=255, colours=COLOURS, names=["class"], tags=tags)
    write_cog(path, [(0, pixels)], header)

    with rasterio.open(path) as source:
        assert (source.transform, source.crs, source.nodata) == (TRANSFORM, UTM33, 255)
        assert source.descriptions == ("class",)
        assert {value: source.colormap(1)[value][:3] for value in COLOURS} == COLOURS
        assert source.colorinterp == (ColorInterp.palette,)
        found = source.tags()
    assert found["class_0"] == "background"
    assert found["class_2"] == "Straße & <Weg>"
    assert found["source"] == "north.tif"


def test_no_georeference_stays_none(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"

    write_cog(path, [(0, classes(4, 5))], Header(4, 5))

    with rasterio.open(path) as source:
        assert source.crs is None
        assert source.transform.is_identity
        assert source.nodata is None


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_same_pixels_give_the_same_bytes(tmp_path: Path, dtype: str) -> None:
    pixels = classes(700, 600).astype(dtype)
    header = header_of(pixels, transform=TRANSFORM, crs=UTM33, tags={"source": "north"})

    write_cog(tmp_path / "one.tif", strips(pixels, [100]), header)
    write_cog(tmp_path / "two.tif", strips(pixels, [512, 3]), header)

    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "two.tif").read_bytes()


def peak(path: Path, height: int) -> int:
    """Bytes that Python holds at most while a raster is made of one strip again and again."""
    strip = classes(64, 600)
    tracemalloc.start()
    write_cog(path, ((row, strip) for row in range(0, height, 64)), Header(height, 600))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_memory_does_not_grow_with_the_height(tmp_path: Path) -> None:
    peak(tmp_path / "map.tif", 64)

    low, high = (peak(tmp_path / "map.tif", height) for height in (512, 64 * 128))

    assert high < 2 * low < 64 * 128 * 600


@pytest.mark.parametrize(
    ("row", "shape"), [(1, (1, 4, 5)), (0, (1, 4, 6)), (0, (2, 4, 5)), (0, (1, 11, 5)), (-1, (1, 4, 5))]
)
def test_rows_that_do_not_follow_are_refused(tmp_path: Path, row: int, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="does not follow 0 rows"):
        write_cog(tmp_path / "map.tif", [(row, np.zeros(shape, np.uint8))], Header(10, 5))

    assert list(tmp_path.iterdir()) == []


def test_rows_that_are_missing_are_an_error_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    path.write_text("old")

    with pytest.raises(ValueError, match=r"given 8 of its 10 rows"):
        write_cog(path, strips(classes(8, 5), [4]), Header(10, 5))

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def failing_strips() -> Iterator[tuple[int, Any]]:
    yield 0, classes(4, 5)
    raise InvalidRaster("scene")


def test_an_error_of_the_caller_passes_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InvalidRaster, match=r"^scene$"):
        write_cog(tmp_path / "map.tif", failing_strips(), Header(10, 5))

    assert list(tmp_path.iterdir()) == []


def test_two_rasters_are_written_side_by_side(tmp_path: Path) -> None:
    pixels = classes(600, 30)
    sure = np.random.default_rng(0).random((1, 600, 30), np.float32)

    with (
        writing_cog(tmp_path / "map.tif", header_of(pixels)) as one,
        writing_cog(tmp_path / "sure.tif", header_of(sure)) as other,
    ):
        for row in range(0, 600, 200):
            one.put(row, pixels[:, row : row + 200])
            assert one.rows == row + 200
            other.put(row, sure[:, row : row + 200])

    with rasterio.open(tmp_path / "map.tif") as found, rasterio.open(tmp_path / "sure.tif") as found_sure:
        np.testing.assert_array_equal(found.read(), pixels)
        np.testing.assert_array_equal(found_sure.read(), sure)


@pytest.fixture(params=[1000, 20_000, 80_000, 100_000])
def small_files(request: pytest.FixtureRequest) -> Iterator[None]:
    """The operating system writes no more than so many bytes of any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (request.param, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
def test_a_file_that_the_disk_does_not_take_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    pixels = classes(700, 600)  # 105 kB at two bits per pixel

    with pytest.raises(UnwritableFile, match=r"map\.tif cannot be written \(.+\): make room on the disk"):
        write_cog(tmp_path / "map.tif", strips(pixels, [100]), header_of(pixels))

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "maps").write_text("")

    with pytest.raises(UnwritableFile, match=r"map\.tif cannot be written \(.*\): make room"):
        write_cog(tmp_path / "maps" / "map.tif", [(0, classes(4, 5))], Header(4, 5))


def lose(path: Path, level: int | None) -> None:
    """Make the raster again with the last block of its image, or of an overview, as if nobody had written it."""
    where = {} if level is None else {"ovr": level}
    with rasterio.open(path) as source, rasterio.open(path, overview_level=level or 0) as small:
        shape = source.shape if level is None else small.shape
        name = f"BLOCK_OFFSET_{(shape[1] - 1) // BLOCK}_{(shape[0] - 1) // BLOCK}"
        place = int(source.get_tag_item(name, "TIFF", bidx=1, **where))
    content = bytearray(path.read_bytes())
    assert content.count(place.to_bytes(4, "little")) == 1
    index = content.index(place.to_bytes(4, "little"))
    content[index : index + 4] = bytes(4)
    path.write_bytes(content)


@pytest.mark.parametrize("level", [None, 0, 1])
def test_a_block_that_was_lost_without_a_word_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: int | None
) -> None:
    copy = rasterio.shutil.copy

    def lossy(plain: Path, path: Path, **options: Any) -> None:
        copy(plain, path, **options)
        lose(path, level)

    monkeypatch.setattr(cog.rasterio.shutil, "copy", lossy)
    pixels = classes(1500, 1300)

    with pytest.raises(UnwritableFile, match=r"map\.tif cannot be written"):
        write_cog(tmp_path / "map.tif", [(0, pixels)], header_of(pixels))

    assert list(tmp_path.iterdir()) == []


def test_a_picture_has_the_colours_of_the_classes_and_shows_through_where_there_is_no_data(tmp_path: Path) -> None:
    pixels = classes(600, 70)
    write_cog(tmp_path / "map.tif", [(0, pixels)], header_of(pixels, nodata=255, colours=COLOURS, crs=UTM33))

    write_palette_png(tmp_path / "map.png", tmp_path / "map.tif")

    with rasterio.open(tmp_path / "map.png") as source:
        assert source.colorinterp == (ColorInterp.palette,)
        np.testing.assert_array_equal(source.read(), pixels)
    shown = cv2.imread(str(tmp_path / "map.png"), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]
    for value, colour in COLOURS.items():
        assert np.unique(shown[pixels[0] == value], axis=0).tolist() == [[*colour, 255]]
    assert (shown[pixels[0] == 255][:, 3] == 0).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.png", "map.tif"]


def test_a_map_without_colours_has_no_picture(tmp_path: Path) -> None:
    write_cog(tmp_path / "map.tif", [(0, classes(6, 7))], Header(6, 7))

    with pytest.raises(InvalidRaster, match=r"map\.tif has no table of colours"):
        write_palette_png(tmp_path / "map.png", tmp_path / "map.tif")


def test_a_damaged_map_has_no_picture(tmp_path: Path) -> None:
    pixels = classes(600, 700)
    write_cog(tmp_path / "map.tif", [(0, pixels)], header_of(pixels, colours=COLOURS))
    (tmp_path / "map.tif").write_bytes((tmp_path / "map.tif").read_bytes()[:-5000])

    with pytest.raises(InvalidRaster, match=r"map\.tif cannot be shown as a picture"):
        write_palette_png(tmp_path / "map.png", tmp_path / "map.tif")

    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]
