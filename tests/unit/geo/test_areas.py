"""Areas in metres, feet and degrees."""

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform

from saticl.geo.areas import areas_m2, metres_per_pixel
from saticl.geo.ground import equal_area
from saticl.geo.place import Place

SQUARES = np.array([shapely.box(0, 0, 100, 100), shapely.box(100, 0, 250, 100), shapely.Point(300, 300).buffer(99)])


def place(crs: str, side: float, left: float, top: float) -> Place:
    return Place(Affine(side, 0, left, 0, -side, top), CRS.from_user_input(crs), 400, 400)


def test_in_metres_they_are_exactly_those_of_the_map() -> None:
    found = areas_m2(SQUARES, place("EPSG:32633", 0.25, 400_000, 5_600_000))

    assert found[:2].tolist() == [10_000 / 16, 15_000 / 16]
    assert found[2] == pytest.approx(SQUARES[2].area / 16, rel=1e-12)


def test_feet_are_converted() -> None:
    found = areas_m2(SQUARES, place("EPSG:2263", 2, 984_250, 160_000))

    np.testing.assert_allclose(found, shapely.area(SQUARES) * (2 * 1200 / 3937) ** 2, rtol=1e-9)


def test_a_local_system_counts_by_its_unit() -> None:
    local = Place(Affine(10, 0, 3, 0, -10, 4), CRS.from_wkt('LOCAL_CS["site",UNIT["foot",0.3048]]'), 9, 9)

    np.testing.assert_allclose(areas_m2(SQUARES, local), shapely.area(SQUARES) * 3.048**2)


@pytest.mark.parametrize("latitude", [-89.9, -33.0, 0.001, 60.0, 80.0])
def test_in_degrees_they_are_those_of_the_ground(latitude: float) -> None:
    """Compared with an equal-area map of PROJ (EASE-Grid 2.0), which shares no code with ours."""
    where = place("EPSG:4326", 1e-4, 13, latitude)

    found = areas_m2(SQUARES, where)

    def moved(cols: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = transform("EPSG:4326", "EPSG:6933", *where.points_of(cols, rows))
        return np.asarray(x), np.asarray(y)

    expected = shapely.area(shapely.transform(SQUARES, moved, interleaved=False))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_whole_earth_has_its_known_area() -> None:
    earth = Place(Affine(1, 0, -180, 0, -1, 90), CRS.from_epsg(4326), 180, 360)

    found = areas_m2(np.array([shapely.box(0, 0, 360, 180)]), earth)

    assert found[0] == pytest.approx(510_065_621.7e6, rel=1e-9)  # WGS 84, in square metres


def test_longitudes_go_on_beyond_180() -> None:
    one, other = (areas_m2(SQUARES, place("EPSG:4326", 0.01, left, 60)) for left in (10, 179))

    np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize(("latitude", "share"), [(60.0, 0.25084), (0.01, 1.0)])
def test_web_mercator_is_measured_on_the_ground_far_from_the_equator(latitude: float, share: float) -> None:
    x, y = transform("EPSG:4326", "EPSG:3857", [13], [latitude])

    found = areas_m2(SQUARES[:2], place("EPSG:3857", 0.5, x[0], y[0]))

    np.testing.assert_allclose(found, share * shapely.area(SQUARES[:2]) / 4, rtol=1e-3)


def test_a_map_is_wrong_where_one_of_its_corners_is() -> None:
    """In the north west is the equator, where Web Mercator is hardly wrong; in the south it is."""
    tall = Place(Affine(10_000, 0, 0, 0, -10_000, 0), CRS.from_epsg(3857), 400, 10)

    (found,) = areas_m2(np.array([shapely.box(0, 399, 10, 400)]), tall)

    assert found == pytest.approx(1e9 * np.cos(np.radians(33.7)) ** 2, rel=0.02)


def test_a_turned_grid_has_the_same_areas() -> None:
    turned = Affine.translation(400_000, 5_600_000) @ Affine.rotation(30) @ Affine.scale(0.5, -0.5)
    where = Place(turned, CRS.from_epsg(32633), 400, 400)

    np.testing.assert_allclose(areas_m2(SQUARES, where), shapely.area(SQUARES) / 4, rtol=1e-9)


def test_a_pixel_is_measured_in_the_middle() -> None:
    wide = Place(Affine(0.1, 0, 0, 0, -0.1, 70), CRS.from_epsg(4326), 200, 10)

    x, y = equal_area(np.array([0.0, 0.1]), np.array([60.0, 59.9]))
    assert metres_per_pixel(wide) == pytest.approx(float(np.sqrt(np.diff(x) * -np.diff(y))[0]), rel=0.05)
    assert metres_per_pixel(Place(Affine.identity(), None, 4, 4)) is None
