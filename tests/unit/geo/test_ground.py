"""Metres of ground per pixel, in any coordinate system."""

import pytest
from affine import Affine
from rasterio.crs import CRS

from saticl.geo.ground import ground_size

LOCAL = CRS.from_wkt('LOCAL_CS["site",UNIT["foot",0.3048]]')


@pytest.mark.parametrize(
    ("crs", "transform", "expected"),
    [
        ("EPSG:32633", Affine(0.05, 0, 500_000, 0, -0.05, 5_800_000), 0.05 / 0.9996),  # on the central meridian
        ("EPSG:2263", Affine(2, 0, 984_250, 0, -2, 160_000), 2 * 0.3048),  # feet
        ("EPSG:4326", Affine(1e-5, 0, 13, 0, -1e-5, 60), (0.557998 * 1.114123) ** 0.5),  # lengths of degrees at 60 N
        ("EPSG:4326", Affine(1e-5, 0, 13, 0, -1e-5, 0), (1.113195 * 1.105743) ** 0.5),
        ("EPSG:3857", Affine(1, 0, 1_447_153, 0, -1, 8_399_738), 0.5 * 1.00166),  # Mercator doubles lengths at 60 N
    ],
)
def test_pixels_are_measured_on_the_ground(crs: str, transform: Affine, expected: float) -> None:
    assert ground_size(transform, CRS.from_user_input(crs)) == pytest.approx(expected, rel=1e-3)


def test_a_turned_and_mirrored_raster_has_the_same_pixels() -> None:
    place = Affine.translation(500_000, 5_800_000)
    turned = place @ Affine.rotation(30) @ Affine.scale(0.5, 0.5)

    assert ground_size(turned, CRS.from_epsg(32633)) == pytest.approx(0.5, rel=1e-3)


def test_pixels_that_are_not_square_count_by_their_area() -> None:
    transform = Affine(0.1, 0, 500_000, 0, -0.4, 5_800_000)

    assert ground_size(transform, CRS.from_epsg(32633)) == pytest.approx(0.2, rel=1e-3)


def test_a_local_system_counts_by_its_unit() -> None:
    assert ground_size(Affine(10, 0, 3, 0, -10, 4), LOCAL) == pytest.approx(3.048)


def test_places_outside_the_earth_count_by_the_unit() -> None:
    assert ground_size(Affine(2, 0, 1e12, 0, -2, 1e12), CRS.from_epsg(32633)) == pytest.approx(2)


def test_without_georeference_nothing_is_known() -> None:
    assert ground_size(Affine(0.05, 0, 3, 0, -0.05, 4), None) is None
    assert ground_size(Affine.identity(), CRS.from_epsg(32633)) is None
    assert ground_size(Affine(0, 0, 3, 0, 0, 4), CRS.from_epsg(32633)) is None
