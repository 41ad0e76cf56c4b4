import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from saticl.geo.place import Place, named, reprojected

UTM, OTHER = CRS.from_epsg(32633), CRS.from_epsg(25833)
HERE = Place(Affine(0.5, 0, 400_000, 0, -0.5, 5_600_000), UTM, 40, 60, "a.tif")


def moved(cols: float = 0, rows: float = 0, height: int = 40, width: int = 60, crs: CRS | None = UTM) -> Place:
    return Place(Affine(0.5, 0, 400_000 + cols / 2, 0, -0.5, 5_600_000 - rows / 2), crs, height, width, "b.tif")


def test_bounds_and_pixels_are_inverse() -> None:
    assert HERE.bounds == (400_000, 5_599_980, 400_030, 5_600_000)
    cols, rows = HERE.pixels_of(np.array([400_000.0, 400_030]), np.array([5_600_000.0, 5_599_980]))
    assert (cols.tolist(), rows.tolist()) == ([0, 60], [0, 40])


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (moved(), True),
        (moved(0.4, -0.4), True),
        (moved(0.6), False),
        (moved(rows=-0.6), False),
        (moved(height=41), False),
        (moved(crs=OTHER), True),
        (moved(crs=CRS.from_epsg(32634)), False),
    ],
)
def test_grids_are_the_same_up_to_half_a_pixel_in_any_coordinate_system(other: Place, is_same: bool) -> None:
    assert HERE.is_same_grid(other) is is_same


@pytest.mark.parametrize(("cols", "rows"), [(60, 0), (-60, 0), (0, 40), (0, -40)])
def test_places_beside_each_other_do_not_meet(cols: float, rows: float) -> None:
    assert not HERE.meets(moved(cols, rows))
    assert HERE.meets(moved(cols * 0.99, rows * 0.99))


def test_a_place_is_known_with_a_transform_and_a_coordinate_system_only() -> None:
    assert HERE.is_known
    assert not moved(crs=None).is_known
    assert not Place(Affine.identity(), UTM, 4, 4).is_known


def test_points_beyond_a_coordinate_system_are_infinite() -> None:
    x, _ = reprojected(CRS.from_epsg(4326), UTM, np.array([15.0, 400]), np.array([50.0, 400]))

    assert not np.isfinite(x[1])
    assert reprojected(UTM, CRS.from_epsg(32633), x, x) == (x, x)


def test_a_coordinate_system_is_named_by_its_code_or_else_by_its_name() -> None:
    local = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')

    assert [named(crs) for crs in (CRS.from_epsg(32633), local, None)] == [
        "EPSG:32633",
        "site",
        "no coordinate system",
    ]
