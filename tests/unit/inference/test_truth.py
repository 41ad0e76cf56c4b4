"""Maps against masks: the same counts whatever form the mask has."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from saticl.errors import InvalidOptions, InvalidRaster
from saticl.geo import raster
from saticl.geo.palette import encode
from saticl.inference import truth as truth_module
from saticl.inference.truth import compare, masks_of
from saticl.labels import IGNORE, Colour
from tests.raw import write_picture

COLOURS: tuple[Colour, ...] = ((90, 90, 90), (255, 0, 0), (0, 255, 0))
HERE = Affine.translation(3, 4)


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """A class map, its classes, and the true ones, both with pixels of no class."""
    rng = np.random.default_rng(1)
    predicted, truth = (rng.integers(0, 3, (50, 30)).astype(np.uint8) for _ in range(2))
    predicted[:5], truth[:, :4] = IGNORE, IGNORE
    raster.write(tmp_path / "map.tif", predicted[None], HERE, None, IGNORE, dict(enumerate(COLOURS)))
    return tmp_path / "map.tif", predicted, truth


@pytest.mark.parametrize("form", ["numbers", "palette", "colours"])
def test_masks_of_every_form_give_the_same_counts(
    form: str, maps: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, predicted, truth = maps
    monkeypatch.setattr(truth_module, "ROWS", 16)
    mask = tmp_path / "mask.tif"
    if form == "numbers":
        raster.write(mask, np.where(truth == IGNORE, -9999, truth)[None].astype(np.float32), HERE, None)
    elif form == "palette":
        shuffled = np.array([7, 3, 5, *[9] * 253], np.uint8)[truth]
        raster.write(mask, shuffled[None], HERE, None, None, {7: COLOURS[0], 3: COLOURS[1], 5: COLOURS[2]})
    else:
        mask = tmp_path / "mask.png"
        write_picture(mask, encode(truth, COLOURS, (9, 9, 9)))

    counts = compare(path, mask, COLOURS)

    expected = np.zeros((3, 3), np.int64)
    known = (predicted != IGNORE) & (truth != IGNORE)
    np.add.at(expected, (truth[known], predicted[known]), 1)
    assert np.array_equal(counts, expected)


def test_the_value_without_data_is_no_class(maps: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    raster.write(tmp_path / "mask.tif", np.ones((1, 50, 30), np.uint8), HERE, None, nodata=1)

    assert compare(maps[0], tmp_path / "mask.tif", COLOURS).sum() == 0


def test_a_mask_of_another_size_is_refused(maps: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    raster.write(tmp_path / "small.tif", np.zeros((1, 50, 29), np.uint8), HERE, None)

    with pytest.raises(InvalidRaster, match=r"small\.tif has 29 x 50 pixels, but its image 30 x 50"):
        compare(maps[0], tmp_path / "small.tif", COLOURS)


def test_masks_are_found_by_name(tmp_path: Path) -> None:
    for name in ("a.png", "b.tif", "a.json", "b.xml", "d.tif", "d.png"):
        (tmp_path / name).touch()

    assert masks_of(["b", "a"], tmp_path) == [tmp_path / "b.tif", tmp_path / "a.png"]
    assert masks_of(["other"], tmp_path / "a.png") == [tmp_path / "a.png"]
    with pytest.raises(InvalidOptions, match="has no mask of c"):
        masks_of(["a", "c"], tmp_path)
    with pytest.raises(InvalidOptions, match="is one mask for 2 images"):
        masks_of(["a", "b"], tmp_path / "a.png")
    with pytest.raises(InvalidOptions, match=r"d\.png and .*d\.tif could both be the mask of d"):
        masks_of(["d"], tmp_path)


def test_transparent_pixels_of_a_mask_are_not_scored(tmp_path: Path) -> None:
    raster.write(tmp_path / "map.tif", np.zeros((1, 20, 20), np.uint8), HERE, None, IGNORE, dict(enumerate(COLOURS)))
    rgba = np.zeros((4, 20, 20), np.uint8)
    rgba[:3, :10], rgba[3, :5] = 90, 255
    write_picture(tmp_path / "mask.png", rgba)

    assert compare(tmp_path / "map.tif", tmp_path / "mask.png", COLOURS)[0, 0] == 100
