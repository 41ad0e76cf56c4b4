"""Grids compared, and the ground that rasters share."""

from dataclasses import replace
from math import cos, inf, radians, sin
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.warp import transform_bounds

from saticl.errors import InvalidRaster
from saticl.geo.place import Place
from saticl.geo.places import distance_px, place_of, shared_ground
from saticl.geo.raster import write

UTM, OTHER = CRS.from_epsg(32633), CRS.from_epsg(32632)


def place(x: float, y: float, size: int = 100, crs: CRS | None = UTM, pixel: float = 1.0) -> Place:
    """A square whose upper left corner lies at x, y."""
    return Place(Affine(pixel, 0, 500_000 + x, 0, -pixel, 5_800_000 + y), crs, size, size)


def test_a_file_says_where_it_lies(tmp_path: Path) -> None:
    where = place(3, 4).transform
    write(tmp_path / "a.tif", np.zeros((3, 20, 30), np.uint8), where, UTM)
    write(tmp_path / "b.tif", np.zeros((3, 20, 30), np.uint8), Affine.identity(), None)

    assert place_of(tmp_path / "a.tif") == Place(where, UTM, 20, 30)
    assert place_of(tmp_path / "a.tif").has_transform
    assert place_of(tmp_path / "b.tif") == Place(Affine.identity(), None, 20, 30)
    assert not place_of(tmp_path / "b.tif").has_transform


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"no raster")

    with pytest.raises(InvalidRaster, match=r"a\.tif cannot be read"):
        place_of(tmp_path / "a.tif")


def test_a_system_is_named_in_a_word() -> None:
    long = CRS.from_wkt('LOCAL_CS["building site",UNIT["foot",0.3048]]')

    assert [place(0, 0, crs=crs).system for crs in (UTM, long, None)] == ["EPSG:32633", "building site", None]


def test_distances_count_in_pixels_of_the_first() -> None:
    one = place(0, 0, pixel=0.5)

    assert distance_px(one, place(0, 0, pixel=0.5)) == 0
    assert distance_px(one, place(3, 4, pixel=0.5)) == pytest.approx(10)
    assert distance_px(one, place(0, 0, pixel=0.51)) == pytest.approx(2 * 2**0.5)  # at the far corner


def test_a_raster_that_lacks_columns_lies_where_it_should() -> None:
    one = place(0, 0)

    assert distance_px(one, replace(one, width=99)) == 0
    assert distance_px(replace(one, height=90), one) == 0


def test_what_is_not_known_contradicts_nothing_but_two_systems_do() -> None:
    nowhere = Place(Affine.identity(), None, 100, 100)

    assert distance_px(place(0, 0), nowhere) == distance_px(nowhere, place(0, 0)) == 0
    assert distance_px(place(0, 0), place(0, 0, crs=None)) == 0
    assert distance_px(place(0, 0), place(0, 0, crs=OTHER)) == inf


def test_the_share_is_that_of_the_smaller_raster() -> None:
    pairs = shared_ground([place(0, 0), place(75, -40, size=50), place(300, 0)], 0)

    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1)]
    assert pairs[0].share == pytest.approx(25 * 50 / 50**2)


def test_neighbours_share_nothing_and_little_can_be_left_out() -> None:
    assert shared_ground([place(0, 0), place(100, 0), place(0, -100)], 1e-9) == []
    assert shared_ground([place(0, 0), place(99, 0)], 0.011) == []
    assert len(shared_ground([place(0, 0), place(99, 0)], 0.009)) == 1


def test_every_pair_is_found_once_in_the_order_of_the_rasters() -> None:
    pairs = shared_ground([place(60, 0), place(0, 0), place(30, 0), place(500, 0), place(0, 0)], 0.1)

    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1), (0, 2), (0, 4), (1, 2), (1, 4), (2, 4)]
    assert [pair.share for pair in pairs] == pytest.approx([0.4, 0.7, 0.4, 0.7, 1.0, 0.7])


def test_a_turned_raster_is_not_its_bounding_box() -> None:
    turned = Affine.translation(500_000 + 50, 5_800_000 - 50) @ Affine.rotation(45) @ Affine.translation(-50, -50)
    pairs = shared_ground([place(0, 0), Place(turned, UTM, 100, 100)], 0)

    assert pairs[0].share == pytest.approx(2 * (2**0.5 - 1))  # an octagon
    beside = Affine.translation(100, -100) @ turned  # the boxes overlap, the squares do not
    assert shared_ground([place(0, 0), Place(beside, UTM, 100, 100)], 1e-9) == []


def test_the_same_ground_in_two_systems_is_the_same_ground() -> None:
    one = place(0, 0, size=1000)
    west, south, east, north = transform_bounds(UTM, OTHER, 500_000, 5_799_000, 501_000, 5_800_000)
    box = Affine((east - west) / 1000, 0, west, 0, -(north - south) / 1000, north)

    (pair,) = shared_ground([one, Place(box, OTHER, 1000, 1000)], 0)

    assert pair.share == pytest.approx(1, abs=1e-3)  # the box holds all of it
    elsewhere = Place(one.transform, OTHER, 1000, 1000)  # the same numbers, six degrees to the west
    assert shared_ground([one, elsewhere], 0) == []


def test_places_without_a_system_are_compared_with_one_another_only() -> None:
    nowhere = Place(Affine.identity(), None, 100, 100)
    places = [place(0, 0, crs=None), place(0, 0), place(50, 0, crs=None), nowhere, nowhere]

    assert [(pair.first, pair.second) for pair in shared_ground(places, 0.1)] == [(0, 2)]


def test_a_place_outside_the_earth_shares_nothing() -> None:
    outside = Place(Affine(1, 0, 1e12, 0, -1, 1e12), OTHER, 10, 10)

    assert shared_ground([place(0, 0), outside, place(50, 0)], 0.1)[0][:2] == (0, 2)


@given(
    st.lists(
        st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.integers(60, 90), st.floats(0, 90)),
        min_size=2,
        max_size=2,
    )
)
def test_shares_are_those_of_counted_points(squares: list[tuple[float, float, int, float]]) -> None:
    places = [
        Place(Affine.translation(x, y) @ Affine.rotation(turn) @ Affine.scale(1, -1), None, size, size)
        for x, y, size, turn in squares
    ]
    points = np.stack(np.meshgrid(np.arange(-210, 210), np.arange(-210, 210)), -1).reshape(-1, 2) + 0.5
    inside = [_inside(points, square) for square in squares]
    counted = np.count_nonzero(inside[0] & inside[1]) / min(square[2] for square in squares) ** 2

    pairs = shared_ground(places, 0)

    assert (pairs[0].share if pairs else 0.0) == pytest.approx(counted, abs=0.06)
    assert all(0 <= pair.share <= 1 + 1e-9 for pair in pairs)


def _inside(points: np.ndarray, square: tuple[float, float, int, float]) -> np.ndarray:
    x, y, size, turn = square
    along, across = points[:, 0] - x, points[:, 1] - y
    col = along * cos(radians(turn)) + across * sin(radians(turn))
    row = along * sin(radians(turn)) - across * cos(radians(turn))
    return (col >= 0) & (col < size) & (row >= 0) & (row < size)
