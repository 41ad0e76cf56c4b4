"""Class maps as polygons in GeoPackage and GeoJSON."""

import json
import resource
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyogrio
import pyogrio.raw
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from rasterio.crs import CRS
from rasterio.features import rasterize

from saticl.errors import InvalidOptions, InvalidRaster, UnwritableFile
from saticl.geo import raster
from saticl.geo.polygonise import write_polygons
from saticl.geo.regions import find_regions
from tests import polygons as _  # noqa: F401 - GeoPackages do not wait for the disk
from tests.regions import maps, pieces

UTM33, DEGREES = CRS.from_epsg(32633), CRS.from_epsg(4326)
METRES = Affine(0.5, 0, 400_000, 0, -0.5, 5_600_000)
NAMES = {0: "background", 1: "road", 2: "Straße", 3: "water"}

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


class Layer(NamedTuple):
    polygons: Any
    fields: dict[str, list[Any]]
    crs: CRS | None


def read(path: Path) -> Layer:
    meta, _fids, binary, columns = pyogrio.raw.read(path)
    fields = {str(name): column.tolist() for name, column in zip(meta["fields"], columns, strict=True)}
    return Layer(shapely.from_wkb(binary), fields, None if meta["crs"] is None else CRS.from_user_input(meta["crs"]))


def write_map(path: Path, values: Any, transform: Affine = METRES, crs: CRS | None = UTM33) -> Path:
    raster.write(path, np.asarray(values)[None], transform, crs, nodata=None)
    return path


def random_map(height: int = 60, width: int = 70, seed: int = 0) -> Any:
    """Patches of four classes with speckles, and no data."""
    generator = np.random.default_rng(seed)
    patches = np.kron(generator.integers(0, 4, (height // 10 + 1, width // 10 + 1)), np.ones((10, 10), int))
    values = patches[:height, :width].astype(np.uint8)
    speckled = generator.random(values.shape) < 0.05
    values[speckled] = generator.integers(0, 4, int(speckled.sum()))
    values[generator.random(values.shape) < 0.02] = 255
    values[:5, :9] = 255
    return values


def drawn_again(layer: Layer, transform: Affine, shape: tuple[int, ...]) -> Any:
    """The map that the polygons show; none may cover what another covers."""
    both = zip(layer.polygons, layer.fields["value"], strict=True)
    parts = [(polygon, value + 1) for polygon, value in both]
    total = rasterize(parts, shape, transform=transform, merge_alg=rasterio.enums.MergeAlg.add, dtype="int32")
    return np.where(total == 0, 255, total - 1)


@settings(max_examples=25)
@given(maps())
def test_polygons_drawn_again_give_the_map_back(tmp_path_factory: pytest.TempPathFactory, values: Any) -> None:
    folder = tmp_path_factory.mktemp("polygons")
    class_map = write_map(folder / "map.tif", values)
    regions = find_regions(values)

    for suffix in (".gpkg", ".geojson"):
        path = folder / f"polygons{suffix}"
        found = write_polygons(path, class_map, NAMES, "north.tif")

        layer = read(path)
        expected = [NAMES[value] for value in regions.values.tolist() if value != 255]
        assert layer.fields.get("class", []) == expected  # an empty GeoJSON file has no attributes
        assert found == Counter(expected)
        if suffix == ".gpkg":
            np.testing.assert_array_equal(drawn_again(layer, METRES, values.shape), values)
            assert sum(layer.fields["area_m2"]) == (values != 255).sum() / 4
    assert sorted(path.name for path in folder.iterdir()) == ["map.tif", "polygons.geojson", "polygons.gpkg"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 37), (23, 1), (60, 71)])
def test_a_geopackage_says_all_about_each_polygon(tmp_path: Path, shape: tuple[int, int]) -> None:
    values = random_map(*shape)
    values[0, 0] = 2
    path = tmp_path / "deep" / "map.gpkg"

    write_polygons(path, write_map(tmp_path / "map.tif", values), NAMES, "north.tif")

    layer = read(path)
    assert layer.crs == UTM33
    assert list(layer.fields) == ["class", "value", "area_m2", "source"]
    assert layer.fields["class"] == [NAMES[value] for value in layer.fields["value"]]
    assert set(layer.fields["source"]) == {"north.tif"}
    np.testing.assert_array_equal(layer.fields["area_m2"], shapely.area(layer.polygons))
    np.testing.assert_array_equal(drawn_again(layer, METRES, values.shape), values)
    assert pyogrio.list_layers(path).tolist() == [["map", "Polygon"]]
    assert list(path.parent.iterdir()) == [path]  # no journal beside it


def test_geojson_is_in_longitude_and_latitude_as_its_standard_asks(tmp_path: Path) -> None:
    values = random_map()
    path = tmp_path / "map.geojson"

    write_polygons(path, write_map(tmp_path / "map.tif", values), NAMES, "north.tif")

    layer = read(path)
    assert layer.crs == DEGREES
    assert "crs" not in json.loads(path.read_text(encoding="utf-8"))
    assert shapely.is_ccw(shapely.get_exterior_ring(layer.polygons)).all()
    back = shapely.transform(
        layer.polygons,
        lambda xy: np.column_stack(rasterio.warp.transform(DEGREES, UTM33, xy[:, 0], xy[:, 1])),
    )
    moved = Layer(shapely.set_precision(back, 0.5), layer.fields, UTM33)
    np.testing.assert_array_equal(drawn_again(moved, METRES, values.shape), values)
    assert shapely.hausdorff_distance(back, moved.polygons).max() < 0.002
    assert sum(layer.fields["area_m2"]) == (values != 255).sum() / 4


def test_confidence_is_the_mean_over_the_pixels_of_a_polygon(tmp_path: Path) -> None:
    values = random_map(1100, 30)  # more rows than are read at once
    sure = np.random.default_rng(1).random(values.shape, np.float32)
    sure[values == 255] = np.nan
    sure[20:24, 3] = np.nan
    values[1050, 9:11], sure[1050, 9:11] = 3, np.nan
    values[1049:1052, 8], values[1049:1052, 11], values[[1049, 1051], 9:11] = 1, 1, 1
    raster.write(tmp_path / "sure.tif", sure[None], METRES, UTM33)

    path = tmp_path / "map.gpkg"
    write_polygons(path, write_map(tmp_path / "map.tif", values), NAMES, "north.tif", confidence=tmp_path / "sure.tif")

    layer = read(path)
    assert list(layer.fields) == ["class", "value", "area_m2", "source", "confidence"]
    expected = []
    for polygon in layer.polygons:
        pixels = sure[rasterize([polygon], values.shape, transform=METRES) == 1]
        known = pixels[~np.isnan(pixels)].astype(np.float64)
        expected.append(known.mean() if len(known) else np.nan)
    np.testing.assert_allclose(np.array(layer.fields["confidence"], float), expected, rtol=1e-9)
    assert np.isnan(expected).any()


@pytest.mark.parametrize("seed", range(6))
def test_small_pieces_are_merged_and_leave_no_holes(tmp_path: Path, seed: int) -> None:
    values = random_map(seed=seed)
    path = tmp_path / "map.gpkg"

    write_polygons(path, write_map(tmp_path / "map.tif", values), NAMES, "north.tif", min_area=3)

    layer = read(path)
    merged = drawn_again(layer, METRES, values.shape)
    np.testing.assert_array_equal(merged == 255, values == 255)
    small = [neighbours for size, neighbours in pieces(merged.astype(np.uint8)) if size < 12]
    assert all(neighbours <= {255} for neighbours in small)
    assert len(layer.polygons) < len(list(pieces(values))) / 2
    assert sum(layer.fields["area_m2"]) == (values != 255).sum() / 4


def test_a_small_piece_joins_its_largest_neighbour_and_one_that_is_large_enough_stays(tmp_path: Path) -> None:
    values = np.full((12, 20), 1, np.uint8)
    values[:, 15:] = 2
    values[3:5, 14:16] = 3  # 4 pixels, 1 square metre
    values[8, 2:4] = 0  # 2 pixels
    class_map = write_map(tmp_path / "map.tif", values)

    assert write_polygons(tmp_path / "a.gpkg", class_map, NAMES, "", min_area=1)["water"] == 1
    found = write_polygons(tmp_path / "b.gpkg", class_map, NAMES, "", min_area=1.01)

    assert found == {"road": 1, "Straße": 1}
    expected = np.where(values == 2, 2, 1)
    np.testing.assert_array_equal(drawn_again(read(tmp_path / "b.gpkg"), METRES, values.shape), expected)


def test_the_smallest_area_is_in_square_metres_on_the_ground(tmp_path: Path) -> None:
    values = np.full((12, 20), 1, np.uint8)
    values[3:5, 14:16] = 3
    feet = write_map(tmp_path / "map.tif", values, Affine(2, 0, 984_250, 0, -2, 160_000), CRS.from_epsg(2263))
    area = 16 * 0.3048**2

    assert write_polygons(tmp_path / "a.gpkg", feet, NAMES, "", min_area=0.99 * area)["water"] == 1
    assert write_polygons(tmp_path / "b.gpkg", feet, NAMES, "", min_area=1.01 * area)["water"] == 0
    np.testing.assert_allclose(read(tmp_path / "a.gpkg").fields["area_m2"], [236 / 4 * area, area], rtol=1e-4)


def test_simplified_neighbours_have_neither_gaps_nor_overlaps(tmp_path: Path) -> None:
    rows, cols = np.mgrid[:200, :220]
    values = np.where(cols + 20 * np.sin(rows / 15) < 100, 1, np.where(cols > rows, 2, 3)).astype(np.uint8)
    class_map = write_map(tmp_path / "map.tif", values)

    write_polygons(tmp_path / "exact.gpkg", class_map, NAMES, "")
    write_polygons(tmp_path / "simple.gpkg", class_map, NAMES, "", simplify=1)

    exact, simple = read(tmp_path / "exact.gpkg"), read(tmp_path / "simple.gpkg")
    assert shapely.get_num_coordinates(simple.polygons).sum() < shapely.get_num_coordinates(exact.polygons).sum() / 5
    assert shapely.is_valid(simple.polygons).all()
    assert shapely.coverage_is_valid(simple.polygons)
    whole = shapely.union_all(simple.polygons)
    assert whole.equals(shapely.box(400_000, 5_599_900, 400_110, 5_600_000))
    np.testing.assert_allclose(simple.fields["area_m2"], exact.fields["area_m2"], rtol=0.01)
    np.testing.assert_allclose(simple.fields["area_m2"], shapely.area(simple.polygons), rtol=1e-9)
    assert 0.4 < shapely.hausdorff_distance(simple.polygons, exact.polygons).max() < 2


def test_the_tolerance_is_in_metres_whatever_the_unit(tmp_path: Path) -> None:
    rows, cols = np.mgrid[:100, :100]
    values = np.where((cols - 50) ** 2 + (rows - 50) ** 2 < 1600, 1, 2).astype(np.uint8)
    metres = write_map(tmp_path / "metres.tif", values)
    degrees = write_map(tmp_path / "degrees.tif", values, Affine(4.5e-6, 0, 13, 0, -4.5e-6, 0), DEGREES)

    for name, class_map in (("metres", metres), ("degrees", degrees)):
        write_polygons(tmp_path / f"{name}.gpkg", class_map, NAMES, "", simplify=1)

    numbers = [shapely.get_num_coordinates(read(tmp_path / f"{name}.gpkg").polygons) for name in ("metres", "degrees")]
    assert abs(numbers[0] - numbers[1]).max() <= 2
    assert numbers[0].max() < 60


def test_degrees_are_measured_on_the_ground(tmp_path: Path) -> None:
    values = random_map()
    transform = Affine(1e-5, 0, 13, 0, -1e-5, 60)
    class_map = write_map(tmp_path / "map.tif", values, transform, DEGREES)

    write_polygons(tmp_path / "map.gpkg", class_map, NAMES, "")
    write_polygons(tmp_path / "map.geojson", class_map, NAMES, "")

    for suffix in ("gpkg", "geojson"):
        layer = read(tmp_path / f"map.{suffix}")
        assert layer.crs == DEGREES
        np.testing.assert_array_equal(drawn_again(layer, transform, values.shape), values)
        # lengths of a degree at 60 N, from a table
        assert sum(layer.fields["area_m2"]) == pytest.approx((values != 255).sum() * 0.557998 * 1.114123, rel=1e-3)


@pytest.mark.parametrize("crs", [None, UTM33])
def test_a_map_that_lies_nowhere_is_in_pixels(tmp_path: Path, crs: CRS | None) -> None:
    values = random_map()
    class_map = write_map(tmp_path / "map.tif", values, Affine.identity(), crs)

    write_polygons(tmp_path / "map.gpkg", class_map, NAMES, "north.tif")

    layer = read(tmp_path / "map.gpkg")
    assert layer.crs is None or "Undefined" in layer.crs.to_wkt()
    assert list(layer.fields) == ["class", "value", "area_px", "source"]
    assert sum(layer.fields["area_px"]) == (values != 255).sum()
    np.testing.assert_array_equal(drawn_again(layer, Affine.identity(), values.shape), values)


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".GPKG"])
def test_a_map_without_data_has_no_polygons(tmp_path: Path, suffix: str) -> None:
    class_map = write_map(tmp_path / "map.tif", np.full((5, 6), 255, np.uint8))
    path = tmp_path / f"map{suffix}"

    found = write_polygons(path, class_map, NAMES, "north.tif", min_area=3, simplify=1)

    assert found == {}
    assert len(read(path).polygons) == 0


def test_classes_may_be_left_out_but_still_take_small_pieces_in(tmp_path: Path) -> None:
    values = np.zeros((9, 9), np.uint8)
    values[1, 1], values[4:8, 4:8] = 1, 2
    class_map = write_map(tmp_path / "map.tif", values)

    found = write_polygons(tmp_path / "map.gpkg", class_map, NAMES, "", min_area=1, without={0})

    assert found == {"Straße": 1}
    assert read(tmp_path / "map.gpkg").fields["area_m2"] == [4]


@pytest.mark.parametrize("suffix", [".shp", "", ".gpkg.zip"])
def test_other_formats_are_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InvalidOptions, match=r"map.* is no name for polygons: let it end in \.gpkg or \.geojson"):
        write_polygons(tmp_path / f"map{suffix}", tmp_path / "map.tif", NAMES, "")


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_numbers_that_mean_nothing_are_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(InvalidOptions, match=r"The smallest area of polygons cannot be .*: choose 0 or more"):
        write_polygons(tmp_path / "map.gpkg", tmp_path / "map.tif", NAMES, "", min_area=value)
    with pytest.raises(InvalidOptions, match=r"The tolerance of outlines of polygons cannot be"):
        write_polygons(tmp_path / "map.gpkg", tmp_path / "map.tif", NAMES, "", simplify=value)


def test_what_needs_a_place_is_refused_without_one(tmp_path: Path) -> None:
    nowhere = write_map(tmp_path / "map.tif", random_map(), Affine.identity(), None)

    with pytest.raises(InvalidOptions, match=r"map\.tif does not say where it lies, .*: write a \.gpkg file"):
        write_polygons(tmp_path / "a.geojson", nowhere, NAMES, "")
    for options in ({"min_area": 1.0}, {"simplify": 1.0}):
        with pytest.raises(InvalidOptions, match=r"map\.tif does not say how large its pixels are"):
            write_polygons(tmp_path / "a.gpkg", nowhere, NAMES, "", **options)
    assert list(tmp_path.iterdir()) == [nowhere]


def test_maps_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no raster")
    raster.write(tmp_path / "float.tif", np.zeros((1, 3, 4), np.float32), METRES, UTM33)
    raster.write(tmp_path / "rgb.tif", np.zeros((3, 3, 4), np.uint8), METRES, UTM33)
    write_map(tmp_path / "more.tif", np.full((3, 4), 7, np.uint8))
    path = tmp_path / "map.gpkg"

    with pytest.raises(InvalidRaster, match=r"text\.tif cannot be read"):
        write_polygons(path, tmp_path / "text.tif", NAMES, "")
    with pytest.raises(InvalidRaster, match=r"float\.tif is no class map: it has 1 bands of float32"):
        write_polygons(path, tmp_path / "float.tif", NAMES, "")
    with pytest.raises(InvalidRaster, match=r"rgb\.tif is no class map: it has 3 bands of uint8"):
        write_polygons(path, tmp_path / "rgb.tif", NAMES, "")
    with pytest.raises(InvalidRaster, match=r"more\.tif has the value 7, .*0 background, 1 road"):
        write_polygons(path, tmp_path / "more.tif", NAMES, "")
    assert not path.exists()


@pytest.mark.parametrize(
    ("shape", "transform", "crs"),
    [
        ((1, 60, 71), METRES, UTM33),
        ((2, 60, 70), METRES, UTM33),
        ((1, 60, 70), METRES, None),
        ((1, 60, 70), Affine(0.5, 0, 400_001, 0, -0.5, 5_600_000), UTM33),
    ],
)
def test_confidence_of_another_grid_is_refused(
    tmp_path: Path, shape: tuple[int, int, int], transform: Affine, crs: CRS | None
) -> None:
    class_map = write_map(tmp_path / "map.tif", random_map())
    raster.write(tmp_path / "sure.tif", np.ones(shape, np.float32), transform, crs)

    with pytest.raises(InvalidRaster, match=r"sure\.tif is not one band on the grid of .*map\.tif"):
        write_polygons(tmp_path / "map.gpkg", class_map, NAMES, "", confidence=tmp_path / "sure.tif")
    assert not (tmp_path / "map.gpkg").exists()


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson"])
@pytest.mark.parametrize("limit", [100, 20_000, 150_000])
def test_a_disk_that_is_full_is_an_error_and_the_old_file_stays(tmp_path: Path, suffix: str, limit: int) -> None:
    class_map = write_map(tmp_path / "map.tif", np.random.default_rng(0).integers(0, 4, (60, 70)).astype(np.uint8))
    path = tmp_path / f"map{suffix}"
    path.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(UnwritableFile, match=r"map\..* cannot be written \(.+\): make room on the disk"):
            write_polygons(path, class_map, NAMES, "")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert path.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == sorted([class_map, path])
