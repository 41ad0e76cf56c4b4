"""Regions of a map and their outlines, compared with GDAL's."""

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from rasterio.features import rasterize, shapes

from saticl.geo.regions import find_regions
from saticl.geo.tracing import trace
from tests.regions import maps


def outlines(values: Any) -> Any:
    """All polygons except those of 255."""
    regions = find_regions(values)
    return trace(regions, regions.values != 255)


def shown(polygons: Any) -> list[str]:
    """Polygons as text, whatever their order, first corners, and corners on straight lines."""
    return sorted(shapely.to_wkt(shapely.normalize(shapely.simplify(polygons, 0))).tolist())


def gdal(values: Any) -> Any:
    found = shapes(values, mask=values != 255, connectivity=4)
    return np.array([shapely.geometry.shape(polygon) for polygon, _ in found], object)


@settings(max_examples=300)
@given(maps())
def test_polygons_cover_what_those_of_gdal_cover(values: Any) -> None:
    found, expected = outlines(values), gdal(values)

    assert len(found) == len(expected)
    assert shapely.is_valid(found).all()
    assert shapely.get_type_id(found).tolist() == [shapely.GeometryType.POLYGON] * len(found)
    assert all(
        one.equals(other) for one, other in zip(sorted(found, key=first), sorted(expected, key=first), strict=True)
    )


def first(polygon: Any) -> tuple[float, float]:
    """The first pixel of a polygon, row by row: no other polygon has it."""
    corners = shapely.get_coordinates(polygon)
    top = corners[:, 1].min()
    return float(top), float(corners[corners[:, 1] == top, 0].min())


@settings(max_examples=300)
@given(maps())
def test_polygons_drawn_again_give_the_regions_back(values: Any) -> None:
    regions = find_regions(values)
    is_wanted = regions.values != 255

    polygons = trace(regions, is_wanted)

    numbers = np.flatnonzero(is_wanted)
    wanted = np.where(values == 255, -1, regions.numbers)
    drawn = np.full(values.shape, -1)
    for number, polygon in zip(numbers, polygons, strict=True):
        drawn[rasterize([polygon], values.shape) == 1] = number
    np.testing.assert_array_equal(drawn, wanted)
    sizes = np.bincount(regions.numbers.ravel(), minlength=len(regions.values))
    np.testing.assert_array_equal(shapely.area(polygons), sizes[is_wanted])


@settings(max_examples=200)
@given(maps())
def test_neighbours_share_their_corners(values: Any) -> None:
    polygons = outlines(values)

    assert len(polygons) == 0 or shapely.coverage_is_valid(polygons)


def test_a_long_winding_region_is_one() -> None:
    values = np.zeros((41, 41), np.uint8)
    values[::2] = 1
    values[1::4, -1] = values[3::4, 0] = 1

    regions = find_regions(values)

    assert (regions.values == 1).sum() == 1
    assert shown(outlines(np.where(values == 1, 1, 255).astype(np.uint8))) == shown(
        [shapely.union_all([shapely.box(col, row, col + 1, row + 1) for row, col in np.argwhere(values)])]
    )


def test_what_a_region_surrounds_is_a_hole_also_where_it_touches_itself() -> None:
    values = np.ones((4, 4), np.uint8)
    values[1, 1] = values[2, 2] = 255  # two holes that touch
    values[3, 3] = 255  # and what lies outside, touching the second hole

    (polygon,) = outlines(values)

    assert shapely.get_num_interior_rings(polygon) == 2
    assert shapely.is_valid(polygon)
    assert polygon.area == 13


def test_a_corner_on_a_straight_line_is_kept_where_three_regions_meet() -> None:
    values = np.array([[1, 1], [2, 3]], np.uint8)

    upper = outlines(values)[0]

    assert [1, 1] in shapely.get_coordinates(upper).tolist()
    assert shapely.get_num_coordinates(upper) == 6  # four corners, that one, and the first again


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 2)])
def test_a_map_of_one_region_is_a_rectangle(shape: tuple[int, int]) -> None:
    assert shown(outlines(np.full(shape, 3, np.uint8))) == shown([shapely.box(0, 0, shape[1], shape[0])])


def test_no_region_is_no_polygon() -> None:
    assert outlines(np.full((3, 4), 255, np.uint8)).tolist() == []
