"""Several masks of one scene, and masks whose grid is not that of the image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine

from saticl.datasets import find
from saticl.datasets.base import Request, Scene
from saticl.datasets.reader import open_scene
from saticl.errors import InvalidRaster
from saticl.geo.raster import parse_crs, write
from saticl.labels import IGNORE, UNLABELLED
from tests.polygons import LEFT, PLACE, TOP, UTM
from tests.raw import HERE, labels, picture, whole, write_picture

HEIGHT, WIDTH = 40, 60
CRS = parse_crs(UTM)
DESCRIPTION: dict[str, Any] = {
    "images": "{name}.tif",
    "masks": "masks/{name}.tif",
    "bands": ["red", "green", "blue"],
    "classes": {"house": 1, "street": 2},
    "ignore": [3],
    "unlabelled": [0],
}
TABLE = np.array([UNLABELLED, 0, 1, IGNORE], np.uint8)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    write(root / "one.tif", picture(HEIGHT, WIDTH), PLACE, CRS)
    return root


def scene(raw: Path, crs: str | None = None, **changes: Any) -> Scene:
    content = {key: value for key, value in {**DESCRIPTION, **changes}.items() if value is not None}
    path = raw.parent / "own.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return find(str(path)).scenes(raw, Request(crs=crs))[0]


def test_values_that_say_that_nothing_is_drawn_are_unlabelled(raw: Path) -> None:
    mask = labels(HEIGHT, WIDTH, classes=4)
    write(raw / "masks/one.tif", mask[None], PLACE, CRS)

    found = whole(scene(raw))[2]

    np.testing.assert_array_equal(found, TABLE[mask])
    with open_scene(scene(raw)) as reader:
        assert reader.notes == ()


def test_colours_that_say_that_nothing_is_drawn_are_unlabelled_or_the_rest(raw: Path) -> None:
    write(raw / "masks/one.tif", np.full((3, HEIGHT, WIDTH), 9, np.uint8), PLACE, CRS)
    changes = {"classes": {"house": "#010101", "land": "#020202"}, "unlabelled": ["#090909"], "ignore": []}

    assert (whole(scene(raw, **changes))[2] == UNLABELLED).all()
    assert (whole(scene(raw, **changes, rest="land"))[2] == 1).all()


def test_the_last_mask_of_a_list_lies_on_top_and_shows_the_others_where_nothing_is_drawn(raw: Path) -> None:
    lower, upper = labels(HEIGHT, WIDTH, 1, classes=4), labels(HEIGHT, WIDTH, 2, classes=4)
    write(raw / "masks/one.tif", lower[None], PLACE, CRS)
    write(raw / "more/one.tif", upper[None], PLACE, CRS)

    found = whole(scene(raw, masks=["masks/{name}.tif", "more/{name}.tif"]))[2]

    np.testing.assert_array_equal(found, TABLE[np.where(upper == 0, lower, upper)])


def test_a_mask_per_class_is_the_class_where_it_is_not_zero(raw: Path) -> None:
    house, street = labels(HEIGHT, WIDTH, 1, classes=2), labels(HEIGHT, WIDTH, 2, classes=3)
    coloured = np.zeros((3, HEIGHT, WIDTH), np.uint8)
    coloured[1] = 200 * house
    write_picture(raw / "house/one.png", coloured)
    write(raw / "street/one.tif", np.where(street == 2, np.nan, street)[None].astype(np.float32), PLACE, CRS)
    changes = {"ignore": [], "unlabelled": []}

    found = whole(
        scene(
            raw,
            classes=["house", "street"],
            masks={"house": "house/{name}.png", "street": "street/{name}.tif"},
            **changes,
        )
    )[2]

    np.testing.assert_array_equal(found, np.where(street == 1, 1, np.where(house == 1, 0, UNLABELLED)))


def test_the_nodata_value_of_a_mask_of_one_class_is_not_the_class(raw: Path) -> None:
    mask = labels(HEIGHT, WIDTH, classes=2) * np.uint8(255)
    mask[:8] = 7
    write(raw / "masks/one.tif", mask[None], PLACE, CRS, nodata=255)

    found = whole(scene(raw, classes=["house"], masks={"house": "masks/{name}.tif"}, ignore=[], unlabelled=[]))[2]

    assert (found[:8] == 0).all()
    assert (found[8:] == UNLABELLED).all()


@pytest.mark.parametrize("nodata", [None, 0, 1])
def test_a_coarse_mask_is_warped_to_its_image_and_ignored_where_it_does_not_reach(
    raw: Path, nodata: float | None
) -> None:
    mask = labels(12, 20, classes=4)  # pixels of two metres, four by four of the image
    place = Affine(2, 0, LEFT + 4, 0, -2, TOP - 2)
    write(raw / "masks/one.tif", mask[None], place, CRS, nodata=nodata)

    found = whole(scene(raw))[2]

    expected = np.full((HEIGHT, WIDTH), IGNORE, np.uint8)
    expected[4:, 8:] = np.kron(TABLE[mask], np.ones((4, 4), np.uint8))[: HEIGHT - 4, : WIDTH - 8]
    np.testing.assert_array_equal(found, expected)
    with open_scene(scene(raw)) as reader:
        assert reader.notes == (f"the mask {raw / 'masks/one.tif'} was warped onto the grid of the image",)


def test_a_shifted_mask_of_colours_is_warped_with_its_own_palette(raw: Path) -> None:
    mask = labels(HEIGHT, WIDTH, classes=2)
    place = Affine(0.5, 0, LEFT + 1.5, 0, -0.5, TOP)
    write(raw / "masks/one.tif", mask[None], place, CRS, colours={0: (1, 2, 3), 1: (4, 5, 6)})

    found = whole(scene(raw, classes={"house": "#040506", "street": "#010203"}, ignore=[], unlabelled=[]))[2]

    np.testing.assert_array_equal(found[:, 3:], 1 - mask[:, :-3])
    assert (found[:, :3] == IGNORE).all()


def test_unknown_values_of_a_warped_mask_are_refused_and_what_lies_beyond_it_is_not(raw: Path) -> None:
    place = Affine(1, 0, LEFT + 2, 0, -1, TOP)
    write(raw / "masks/one.tif", np.ones((1, 40, 60), np.uint8), place, CRS)
    assert set(np.unique(whole(scene(raw, unlabelled=[]))[2])) == {0, IGNORE}
    write(raw / "masks/one.tif", np.full((1, 40, 60), 9, np.uint8), place, CRS)

    with pytest.raises(InvalidRaster, match="2,400 pixels of 1 value of no class, such as 9"):
        whole(scene(raw))


def test_the_coordinate_system_that_a_mask_lacks_may_be_given(raw: Path) -> None:
    write(raw / "masks/one.tif", np.ones((1, 20, 30), np.uint8), Affine(1, 0, LEFT, 0, -1, TOP), None)

    assert (whole(scene(raw, crs=UTM))[2] == 0).all()
    with pytest.raises(InvalidRaster, match=r"one\.tif has 60 x 40 pixels but its mask .* 30 x 20: .* where they lie"):
        whole(scene(raw))


def test_a_mask_of_the_same_size_without_a_place_lies_on_its_image(raw: Path) -> None:
    mask = labels(HEIGHT, WIDTH, classes=4)
    write(raw / "masks/one.tif", mask[None], HERE, None)

    np.testing.assert_array_equal(whole(scene(raw))[2], TABLE[mask])


def test_a_mask_that_lies_elsewhere_is_refused(raw: Path) -> None:
    write(raw / "masks/one.tif", np.ones((1, HEIGHT, WIDTH), np.uint8), Affine(0.5, 0, LEFT + 999, 0, -0.5, TOP), CRS)

    with pytest.raises(InvalidRaster, match=r"The mask .*masks/one\.tif lies elsewhere than its image .*one\.tif"):
        whole(scene(raw))


def write_transparent(path: Path, colours: np.ndarray, opaque: np.ndarray, left: float) -> None:
    """A mask of three or four channels [3, H, W], of which the last says where it is drawn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {"crs": CRS, "transform": Affine(0.5, 0, left, 0, -0.5, TOP)}
    profile = {"count": 4, "height": HEIGHT, "width": WIDTH, "dtype": "uint8", "photometric": "RGB", "alpha": "YES"}
    with rasterio.open(path, "w", driver="GTiff", **profile, **place) as target:
        target.write(np.concatenate([colours, 255 * opaque[None].astype(np.uint8)]))


@pytest.mark.parametrize("shift", [0, 1])
def test_transparent_pixels_of_a_mask_are_ignored_whether_it_is_warped_or_not(raw: Path, shift: int) -> None:
    mask, opaque = labels(HEIGHT, WIDTH, 1, classes=2), labels(HEIGHT, WIDTH, 2, classes=2) == 1
    colours = np.where(opaque, np.array([9, 8], np.uint8)[mask], 0)[None].repeat(3, axis=0)  # black: of no class
    write_transparent(raw / "masks/one.tif", colours, opaque, LEFT + 0.5 * shift)

    found = whole(scene(raw, classes={"house": "#090909", "street": "#080808"}, ignore=[], unlabelled=[]))[2]

    expected = np.where(opaque, mask, np.uint8(IGNORE))
    np.testing.assert_array_equal(found[:, shift:], expected[:, : WIDTH - shift])


@pytest.mark.parametrize("shift", [0, 1])
def test_transparent_pixels_of_a_mask_of_one_class_are_not_the_class(raw: Path, shift: int) -> None:
    opaque = labels(HEIGHT, WIDTH, classes=2) == 1
    write_transparent(raw / "masks/one.tif", np.full((3, HEIGHT, WIDTH), 7, np.uint8), opaque, LEFT + 0.5 * shift)
    changes = {"classes": ["house"], "masks": {"house": "masks/{name}.tif"}, "ignore": [], "unlabelled": []}

    found = whole(scene(raw, **changes))[2]

    np.testing.assert_array_equal(found[:, shift:], np.where(opaque, 0, UNLABELLED)[:, : WIDTH - shift])
