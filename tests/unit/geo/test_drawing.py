import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from saticl.geo import drawing
from saticl.geo.drawing import SQUARE, Drawing
from saticl.geo.windows import Window

HEIGHT, WIDTH = 700, 1100


def stars(number: int, corners: int, step: float = 0.5) -> list[shapely.Polygon]:
    """Polygons all over the scene, across the borders of the squares; corners are multiples of a step, in pixels."""
    generator = np.random.default_rng(3)
    found = []
    for _ in range(number):
        x, y = generator.uniform((0, 0), (WIDTH, HEIGHT))
        angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        radii = generator.uniform(20, 300, corners)
        ring = np.column_stack([x + radii * np.cos(angles), y + radii * np.sin(angles)])
        found.append(shapely.Polygon(np.round(ring / step) * step))
    return found


def drawn(polygons: list[shapely.Polygon], all_touched: bool = False, fill: int = 254) -> Drawing:
    return Drawing(np.array(polygons), np.arange(len(polygons), dtype=np.uint8), fill, all_touched)


@pytest.mark.parametrize("corners", [12, drawing.BIG + 100])
def test_a_pixel_is_that_of_the_last_polygon_that_holds_its_centre(corners: int) -> None:
    polygons = stars(12, corners, step=1e-6)
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    expected = np.full((HEIGHT, WIDTH), 254, np.uint8)
    for label, polygon in enumerate(polygons):
        shapely.prepare(polygon)
        expected[shapely.contains_xy(polygon, x, y)] = label

    found = drawn(polygons).read(Window(0, 0, HEIGHT, WIDTH))

    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found)) > 8


@given(
    st.integers(0, HEIGHT - 2), st.integers(0, WIDTH - 2), st.integers(1, HEIGHT), st.integers(1, WIDTH), st.booleans()
)
def test_a_pixel_is_the_same_in_every_window(row: int, col: int, height: int, width: int, all_touched: bool) -> None:
    window = Window(row, col, min(height, HEIGHT - row), min(width, WIDTH - col))

    found = DRAWN[all_touched].read(window)

    np.testing.assert_array_equal(found, WHOLE[all_touched][window.slices])


DRAWN = {kind: drawn(stars(8, 30), kind) for kind in (False, True)}
WHOLE = {kind: one.read(Window(0, 0, HEIGHT, WIDTH)) for kind, one in DRAWN.items()}


def test_touched_pixels_are_drawn_where_that_is_wanted() -> None:
    sliver = [shapely.box(10.1, 20.1, 10.3, 24.9)]
    window = Window(0, 0, 40, 40)

    assert (drawn(sliver).read(window) == 254).all()
    touched = drawn(sliver, all_touched=True).read(window)
    assert np.argwhere(touched == 0).tolist() == [[row, 10] for row in range(20, 25)]


def test_what_covers_many_squares_covers_all_of_them_and_nothing_covers_none() -> None:
    window = Window(3, 5, 2 * SQUARE, 3 * SQUARE)

    assert (drawn([shapely.box(-9, -9, 9999, 9999)]).read(window) == 0).all()
    assert (drawn([], fill=7).read(window) == 7).all()


def test_a_big_polygon_that_only_touches_a_square_draws_nothing_there() -> None:
    circle = shapely.Point(-60, 100).buffer(59.5, quad_segs=drawing.BIG)
    comb = shapely.union_all([circle, shapely.LineString([(-60, 100), (-0.9, 100)]).buffer(0.01)])

    assert (drawn([comb], all_touched=True).read(Window(0, 0, 200, 200)) == 254).all()
