"""Labels drawn from vector files: what is drawn, what lies on top, what is where nothing is, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import rasterio.warp
import shapely
import yaml
from typer.testing import CliRunner

from saticl.cli import app
from saticl.datasets import find
from saticl.datasets.base import Request, Scene
from saticl.datasets.reader import open_scene
from saticl.errors import InvalidOptions, InvalidRaster, MissingRawData
from saticl.geo.grids import Wanted
from saticl.geo.raster import parse_crs, write
from saticl.labels import IGNORE, UNLABELLED
from tests.polygons import PLACE, UTM, box, on_ground, write_polygons
from tests.raw import HERE, picture, whole

HEIGHT, WIDTH = 60, 80
BUILDING, ROAD = 0, 1
DESCRIPTION: dict[str, Any] = {
    "images": "{name}.tif",
    "bands": ["red", "green", "blue"],
    "classes": ["building", "road"],
    "polygons": {
        "file": "labels.gpkg",
        "attribute": "kind",
        "classes": {"building": ["house", "shed"], "road": "way"},
    },
}
FIRST, SECOND, THIRD = box(10, 10, 20, 30), box(20, 20, 20, 30), box(45, 5, 10, 10)
KINDS = ["house", "way", "shed"]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    write(root / "one.tif", picture(HEIGHT, WIDTH), PLACE, parse_crs(UTM))
    write_polygons(root / "labels.gpkg", [on_ground(one) for one in (FIRST, SECOND, THIRD)], KINDS)
    return root


def scene(
    raw: Path, names: list[str] | None = None, rest: str | None = None, cli: str | None = None, **changes: Any
) -> Scene:
    """The scene with other classes, another rest, a --crs, and other keys in the section `polygons`."""
    polygons = {key: value for key, value in (DESCRIPTION["polygons"] | changes).items() if value is not None}
    content = DESCRIPTION | {"polygons": polygons, "rest": rest} | ({"classes": names} if names else {})
    path = raw.parent / "own.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return find(str(path)).scenes(raw, Request(crs=cli))[0]


def labels(raw: Path, *words: Any, **changes: Any) -> np.ndarray:
    return whole(scene(raw, *words, **changes))[2]


def painted(*areas: tuple[Any, int], rest: int = UNLABELLED) -> np.ndarray:
    found = np.full((HEIGHT, WIDTH), rest, np.uint8)
    for area, label in areas:
        left, top, right, bottom = (int(value) for value in area.bounds)
        found[top:bottom, left:right] = label
    return found


EXPECTED = painted((FIRST, BUILDING), (THIRD, BUILDING), (SECOND, ROAD))


@pytest.mark.parametrize("name", ["labels.gpkg", "labels.geojson", "labels.shp"])
def test_polygons_become_labels_in_the_order_of_the_classes(raw: Path, name: str) -> None:
    if name.endswith("shp"):
        write_polygons(raw / name, [on_ground(one) for one in (FIRST, SECOND, THIRD)], KINDS, kind="Polygon")
    elif name.endswith("geojson"):
        write_polygons(raw / name, [on_ground(one) for one in (FIRST, SECOND, THIRD)], KINDS)

    np.testing.assert_array_equal(labels(raw, file=name), EXPECTED)


def test_the_order_says_what_lies_on_top(raw: Path) -> None:
    found = labels(raw, order=["road", "building"])

    np.testing.assert_array_equal(found, painted((SECOND, ROAD), (FIRST, BUILDING), (THIRD, BUILDING)))


def test_ignored_values_lie_on_top_and_skipped_ones_are_not_drawn(raw: Path) -> None:
    found = labels(raw, classes={"building": "house", "road": []}, skip=["way"], ignore=["shed"])

    np.testing.assert_array_equal(found, painted((FIRST, BUILDING), (THIRD, IGNORE)))


def test_what_no_polygon_covers_may_be_a_class(raw: Path) -> None:
    found = labels(raw, ["building", "road", "land"], "land")

    np.testing.assert_array_equal(found, np.where(EXPECTED == UNLABELLED, 2, EXPECTED))


def test_outside_the_area_of_interest_everything_is_ignored(raw: Path) -> None:
    area = box(15, 0, 30, 50)
    write_polygons(raw / "areas.gpkg", [on_ground(area)])

    inside = painted((area, 1), rest=0) == 1
    np.testing.assert_array_equal(
        labels(raw, area={"file": "areas.gpkg"}), np.where(inside, EXPECTED, np.uint8(IGNORE))
    )


def test_a_single_class_needs_no_attribute_and_numbers_are_found_as_text(raw: Path) -> None:
    write_polygons(raw / "labels.gpkg", [on_ground(FIRST), on_ground(SECOND)], [1.0, 2.0])

    one = labels(raw, ["building"], attribute=None, classes=None)
    two = labels(raw, ["1", "2"], classes=None)

    np.testing.assert_array_equal(one, painted((FIRST, BUILDING), (SECOND, BUILDING)))
    np.testing.assert_array_equal(two, painted((FIRST, 0), (SECOND, 1)))


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson"])
@pytest.mark.parametrize("with_null", [False, True])
def test_yes_and_no_are_true_and_false_whether_a_value_lacks_or_not(raw: Path, suffix: str, with_null: bool) -> None:
    path = raw / f"flags{suffix}"
    write_polygons(path, [on_ground(one) for one in (FIRST, SECOND, THIRD)], [True, False, False])
    if with_null:
        pyogrio.raw.write(
            path,
            np.array([shapely.to_wkb(on_ground(one)) for one in (FIRST, SECOND, THIRD)], object),
            [np.array([True, False, False])],
            ["kind"],
            field_mask=[np.array([False, False, True])],
            geometry_type="Polygon",
            crs=UTM,
        )

    found = labels(raw, file=path.name, classes={"building": True, "road": False}, skip=["null"])

    third = () if with_null else ((THIRD, ROAD),)
    np.testing.assert_array_equal(found, painted((FIRST, BUILDING), (SECOND, ROAD), *third))


def test_touched_pixels_are_drawn_where_that_is_wanted(raw: Path) -> None:
    write_polygons(raw / "labels.gpkg", [on_ground(box(10.6, 10.6, 4, 4))], ["house"])

    assert (labels(raw) == BUILDING).sum() == 4 * 4
    assert (labels(raw, all_touched=True) == BUILDING).sum() == 5 * 5


def test_polygons_in_another_coordinate_system_lie_at_the_same_place(raw: Path) -> None:
    def moved(xy: np.ndarray) -> np.ndarray:
        return np.column_stack(rasterio.warp.transform(UTM, "EPSG:4326", *xy.T))

    shapes = [shapely.transform(on_ground(one).buffer(0.01), moved) for one in (FIRST, SECOND, THIRD)]
    write_polygons(raw / "labels.geojson", shapes, KINDS, crs="EPSG:4326")

    np.testing.assert_array_equal(labels(raw, file="labels.geojson"), EXPECTED)


def test_long_edges_are_curves_in_another_coordinate_system(raw: Path) -> None:
    """A box over Europe whose straight southern edge, in degrees, is no straight line in metres."""
    _, south = rasterio.warp.transform(UTM, "EPSG:4326", [400_000 + WIDTH / 4], [5_600_000 - HEIGHT / 4])
    write_polygons(raw / "labels.geojson", [shapely.box(-10, south[0], 40, 70)], ["house"], crs="EPSG:4326")

    found = labels(raw, file="labels.geojson")

    edge = (found == BUILDING).sum(axis=0)
    assert abs(edge.astype(int) - HEIGHT // 2).max() <= 2


def test_collections_curves_and_invalid_polygons_are_drawn(raw: Path) -> None:
    bow = shapely.Polygon([(10, 10), (30, 30), (30, 10), (10, 30)])
    both = shapely.GeometryCollection([shapely.MultiPolygon([THIRD, box(45, 40, 5, 5)])])
    write_polygons(raw / "labels.gpkg", [on_ground(bow), None, on_ground(both)], KINDS)

    with open_scene(scene(raw)) as reader:
        assert reader.notes == (f"1 polygon was not valid and is repaired ({raw / 'labels.gpkg'}: feature 1)",)
    found = labels(raw)
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    expected = shapely.contains_xy(shapely.union_all([shapely.make_valid(bow), both]), x, y)
    at_diagonal = (x == y) | (x + y == 40)
    np.testing.assert_array_equal((found == BUILDING)[~at_diagonal], expected[~at_diagonal])


def test_curves_are_drawn(raw: Path) -> None:
    write(raw / "one.tif", picture(HEIGHT, WIDTH), HERE, None)
    ring = "CURVEPOLYGON(CIRCULARSTRING(10 30,20 20,30 30,20 40,10 30))"
    (raw / "labels.csv").write_text(f'WKT,kind\n"{ring}",house\n')

    found = labels(raw, file="labels.csv", crs="image")

    assert abs((found == BUILDING).sum() - 100 * np.pi) < 5


def test_polygons_of_an_image_without_a_place_are_in_pixels(raw: Path) -> None:
    write(raw / "one.tif", picture(HEIGHT, WIDTH), HERE, None)
    write_polygons(raw / "labels.geojson", [FIRST, SECOND, THIRD], KINDS)

    np.testing.assert_array_equal(labels(raw, file="labels.geojson", crs="image"), EXPECTED)


def test_the_coordinate_system_of_the_image_is_that_of_its_file_whatever_the_tiles_have(raw: Path) -> None:
    write(raw / "one.tif", picture(HEIGHT, WIDTH), PLACE, parse_crs("EPSG:26719"))
    write_polygons(raw / "bare.shp", [on_ground(FIRST), on_ground(SECOND)], KINDS[:2], crs=None, kind="Polygon")
    wanted = Wanted(crs="EPSG:26919")

    named = whole(replace(scene(raw, file="bare.shp", crs="EPSG:26719"), wanted=wanted))[2]
    of_image = whole(replace(scene(raw, file="bare.shp", crs="image"), wanted=wanted))[2]

    assert set(np.unique(named)) >= {BUILDING, ROAD}
    np.testing.assert_array_equal(of_image, named)


def test_a_scene_between_the_polygons_is_unlabelled_and_says_so(raw: Path) -> None:
    far = [on_ground(box(-500, -500, 10, 10)), on_ground(box(500, 500, 10, 10))]
    write_polygons(raw / "labels.gpkg", far, ["house", "house"])

    with open_scene(scene(raw)) as reader:
        assert reader.notes == (f"no polygon of {raw / 'labels.gpkg'} lies on it",)
    assert (labels(raw) == UNLABELLED).all()


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp"])
@pytest.mark.parametrize("polygons", [[], [None], [shapely.Polygon()]], ids=["nothing", "missing", "empty"])
def test_a_file_without_a_single_polygon_leaves_its_scene_unlabelled_with_a_note(
    raw: Path, suffix: str, polygons: list[Any]
) -> None:
    path = raw / f"none{suffix}"
    write_polygons(path, polygons, kind="Polygon")
    changes = {"file": path.name, "attribute": None, "classes": None}

    with open_scene(scene(raw, ["building"], **changes)) as reader:
        assert reader.notes == (f"no polygon of {path} lies on it",)
    assert (labels(raw, ["building"], **changes) == UNLABELLED).all()


def test_polygons_that_changed_are_read_again(raw: Path) -> None:
    labels(raw)
    write_polygons(raw / "labels.gpkg", [on_ground(FIRST)] * 40, ["house"] * 40)

    np.testing.assert_array_equal(labels(raw), painted((FIRST, BUILDING)))


def refusal(raw: Path, **changes: Any) -> str:
    with pytest.raises((InvalidRaster, InvalidOptions, MissingRawData)) as caught:
        labels(raw, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_polygons_that_all_lie_elsewhere_are_refused_with_both_places(raw: Path) -> None:
    write_polygons(raw / "labels.gpkg", [on_ground(box(900, 900, 10, 10))], ["house"])

    message = refusal(raw)

    assert "No polygon of" in message
    assert "from (400450, 5599545) to (400455, 5599550) in EPSG:32633" in message
    assert "the image from (400000, 5599970) to (400040, 5600000) in EPSG:32633" in message
    write_polygons(raw / "areas.gpkg", [on_ground(box(0, 0, 60, 80))])
    assert (labels(raw, area={"file": "areas.gpkg"}) == UNLABELLED).all()
    write_polygons(raw / "areas.gpkg", [on_ground(box(0, 900, 60, 80))])
    assert "No polygon of" in refusal(raw, area={"file": "areas.gpkg"})


def test_an_attribute_that_is_not_there_is_refused_with_those_that_are(raw: Path) -> None:
    assert refusal(raw, attribute="sort").endswith("labels.gpkg has no attribute 'sort': it has kind.")


def test_values_without_a_class_are_refused_with_their_numbers(raw: Path) -> None:
    write_polygons(raw / "labels.gpkg", [on_ground(FIRST)] * 4, ["house", "dam", "barn", "dam"])

    message = refusal(raw)

    assert "has 3 polygons whose 'kind' stands for no class: dam (2), barn (1)." in message
    assert "`classes`, `ignore` or `skip`" in message


def test_layers_are_chosen_among_those_of_the_file(raw: Path) -> None:
    write_polygons(raw / "labels.gpkg", [on_ground(FIRST)], ["house"], layer="a")
    write_polygons(raw / "labels.gpkg", [on_ground(SECOND)], ["house"], layer="b")

    assert set(pyogrio.list_layers(raw / "labels.gpkg")[:, 0]) >= {"a", "b"}
    np.testing.assert_array_equal(labels(raw, layer="b"), painted((SECOND, BUILDING)))
    assert "layers (" in refusal(raw)
    assert "has no layer 'c': it has" in refusal(raw, layer="c")


def test_files_that_hold_no_polygons_are_refused(raw: Path) -> None:
    (raw / "labels.gpkg").write_text("nothing")
    assert "labels.gpkg cannot be read as polygons" in refusal(raw)
    write_polygons(raw / "lines.gpkg", [on_ground(FIRST), on_ground(FIRST.exterior)], ["house", "house"])
    assert "1 features that are no polygons (feature 2 is a LineString)" in refusal(raw, file="lines.gpkg")
    assert "labels/one.gpkg" in refusal(raw, file="labels/{name}.gpkg")


def test_a_coordinate_system_that_nobody_names_is_refused_with_the_key_that_names_it(raw: Path) -> None:
    write_polygons(
        raw / "bare.shp", [on_ground(one) for one in (FIRST, SECOND, THIRD)], KINDS, crs=None, kind="Polygon"
    )

    assert "bare.shp names no coordinate system: write one beside `file`" in refusal(raw, file="bare.shp")
    np.testing.assert_array_equal(labels(raw, file="bare.shp", crs=UTM), EXPECTED)
    np.testing.assert_array_equal(labels(raw, file="bare.shp", crs="image"), EXPECTED)
    assert "The coordinate system 'nowhere'" in refusal(raw, file="bare.shp", crs="nowhere")
    write(raw / "one.tif", picture(HEIGHT, WIDTH), PLACE, None)
    assert "one.tif names no coordinate system" in refusal(raw)
    np.testing.assert_array_equal(labels(raw, cli=UTM), EXPECTED)


def test_the_command_refuses_in_one_sentence_with_exit_code_2(raw: Path, tmp_path: Path) -> None:
    scene(raw, attribute="sort")
    words = ["prepare", "--dataset", str(tmp_path / "own.yaml"), "--src", str(raw), "--dst", str(tmp_path / "tiles")]

    result = CliRunner().invoke(app, [*words, "--tile-size", "32", "--overlap", "8", "--jobs", "1"])

    assert result.exit_code == 2
    assert "no attribute 'sort'" in " ".join(result.output.split())
    assert not (tmp_path / "tiles" / "dataset.json").exists()
