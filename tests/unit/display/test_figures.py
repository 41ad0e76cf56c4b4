"""Figures are PNG files of the size that was asked for, and show what they were given."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.image import imread
from numpy.typing import NDArray

from saticl.display.figures import (
    class_scores_figure,
    colour_map,
    confusion_figure,
    curves_figure,
    display_image,
    panels_figure,
    steps_figure,
)
from saticl.display.figures.canvas import count_text
from saticl.display.figures.panels import WRONG
from saticl.geo.palette import GREYS
from saticl.metrics.scores import Scores, score, score_groups
from saticl.runs.journal import Costs, Epoch, Validation

NAMES = ("background", "impervious_surfaces", "building", "low_vegetation", "tree", "car")
COLOURS = [(128, 128, 128), (255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0)]
NAN = float("nan")

Picture = NDArray[np.uint8]


def read(path: Path) -> Picture:
    """The pixels of a PNG, uint8 [H, W, 3]; fails on anything else."""
    assert path.read_bytes().startswith(b"\x89PNG")
    pixels: Picture = np.rint(255 * imread(path)[..., :3]).astype(np.uint8)
    return pixels


def share(picture: Picture, colour: tuple[int, int, int]) -> float:
    return float((picture == np.array(colour)).all(axis=2).mean())


def scores(num_classes: int) -> Scores:
    matrix = np.random.default_rng(0).integers(0, 50, (num_classes, num_classes)) + 200 * np.eye(
        num_classes, dtype=int
    )
    matrix[1] = matrix[:, 1] = 0
    names = ["background", *(f"class_{index}" for index in range(1, num_classes))]
    return score(matrix, names, score_groups((num_classes - 1, 1) if num_classes > 2 else (2,)))


def epoch(number: int, scores: Validation | None = None) -> Epoch:
    costs = Costs(images_per_s=10, seconds=1, iterations=10, peak_memory_mb=100)
    return Epoch(epoch=number, loss=1.0, lr=1e-3, terms={"ce": 0.7, "kd": 0.3}, validation=scores, costs=costs)


BEST = Validation(miou=0.5, f1=0.6, old_miou=NAN, new_miou=0.5, best=True)


DRAWINGS: dict[str, Callable[[Path], Path]] = {
    "confusion": lambda path: confusion_figure(np.diag([5, 0, 3, 1, 2, 4]), NAMES, path),
    "confusion of two": lambda path: confusion_figure([[2, 1], [0, 0]], NAMES[:2], path),
    "confusion of forty": lambda path: confusion_figure(np.eye(40), [f"$class {i}$" for i in range(40)], path),
    "classes": lambda path: class_scores_figure(scores(6), COLOURS, ["class_5"], path),
    "classes of two": lambda path: class_scores_figure(scores(2), COLOURS[:2], ["class_1"], path),
    "classes of twenty": lambda path: class_scores_figure(scores(20), COLOURS * 4, ["class_19"], path),
    "curves": lambda path: curves_figure([epoch(1), epoch(2, BEST), epoch(3)], path),
    "curves of one epoch": lambda path: curves_figure([epoch(1, BEST)], path),
    "curves of nothing": lambda path: curves_figure([], path),
    "steps": lambda path: steps_figure(
        [[0.8, 0.6], [NAN, 0.5], [0.8, 0.55]], ["0: building, " * 9, "1: tree", "all"], ["step 0", "step 1"], path
    ),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_figure_is_a_png_at_the_path_it_returns(name: str, tmp_path: Path) -> None:
    before = dict(rcParams)

    path = DRAWINGS[name](tmp_path / "figures" / "figure.png")

    picture = read(path)
    assert path == tmp_path / "figures" / "figure.png"
    assert list(path.parent.iterdir()) == [path]
    assert picture.shape[0] > 250
    assert picture.shape[1] > 600
    assert 0.2 < share(picture, (255, 255, 255)) < 0.995 or name == "steps"
    assert dict(rcParams) == before


def test_figures_have_the_size_that_their_content_needs(tmp_path: Path) -> None:
    few = read(class_scores_figure(scores(4), COLOURS[:4], ["class_3"], tmp_path / "few.png"))
    many = read(class_scores_figure(scores(12), COLOURS * 2, ["class_11"], tmp_path / "many.png"))

    assert few.shape[1] == many.shape[1] == 8 * 150
    assert many.shape[0] - few.shape[0] == pytest.approx(8 * 0.32 * 150, abs=1)


def test_bars_have_the_colours_of_their_classes_and_absent_classes_have_none(tmp_path: Path) -> None:
    picture = read(class_scores_figure(scores(6), COLOURS, ["class_5"], tmp_path / "classes.png"))

    assert share(picture, GREYS[0]) > 0.01
    assert all(share(picture, colour) > 0.01 for colour in COLOURS[2:])


def panels(truth: Picture, prediction: Picture, previous: Picture | None, path: Path) -> Picture:
    image = np.full((*truth.shape, 3), 90, dtype=np.uint8)
    return read(panels_figure([(image, truth, prediction, previous)], NAMES, COLOURS, path))


def test_panels_show_the_colours_of_the_classes_in_proportion(tmp_path: Path) -> None:
    truth = np.repeat(np.array([[0, 2], [4, 5]], dtype=np.uint8), 32, 0).repeat(32, 1)

    picture = panels(truth, truth, None, tmp_path / "panels.png")

    seen = [share(picture, colour) for colour in (GREYS[0], COLOURS[2], COLOURS[4], COLOURS[5])]
    assert min(seen) > 0.08
    assert max(seen) / min(seen) < 1.25
    assert share(picture, (90, 90, 90)) > 0.15
    assert share(picture, WRONG) < 0.005


def test_errors_are_red_where_scored_and_black_where_not(tmp_path: Path) -> None:
    truth = np.full((64, 64), 2, dtype=np.uint8)
    truth[:, 32:] = 255
    wrong = np.full((64, 64), 4, dtype=np.uint8)

    picture = panels(truth, wrong, None, tmp_path / "panels.png")

    assert share(picture, WRONG) == pytest.approx(share(picture, COLOURS[2]), rel=0.1)  # the labelled half
    assert share(picture, (0, 0, 0)) == pytest.approx(2 * share(picture, WRONG), rel=0.1)  # in truth and in errors


def test_the_previous_step_is_a_panel_of_its_own_and_may_lack_in_some_rows(tmp_path: Path) -> None:
    image, truth = np.full((32, 32, 3), 90, dtype=np.uint8), np.full((32, 32), 2, dtype=np.uint8)
    before = np.full((32, 32), 5, dtype=np.uint8)

    path = tmp_path / "panels.png"
    with_one = read(panels_figure([(image, truth, truth, before), (image, truth, truth, None)], NAMES, COLOURS, path))
    without = panels(truth, truth, None, path)

    assert with_one.shape[1] / without.shape[1] == pytest.approx(5 / 4)
    assert share(with_one, COLOURS[5]) == pytest.approx(share(with_one, COLOURS[2]) / 4, rel=0.1)


def test_an_artificial_background_is_grey_and_what_is_no_class_is_black() -> None:
    table = colour_map(NAMES, COLOURS)

    assert table.shape == (256, 3)
    assert [tuple(row) for row in table[:6]] == [GREYS[0], *COLOURS[1:]]
    assert not table[6:].any()
    assert tuple(colour_map(("background", "road"), [GREYS[0], GREYS[0]])[0]) == GREYS[1]


def test_a_background_that_is_a_class_of_the_dataset_keeps_its_colour() -> None:
    assert tuple(colour_map(("clutter", "tree"), [(255, 0, 0), (0, 255, 0)])[0]) == (255, 0, 0)


@pytest.mark.parametrize(
    ("bands", "shown"),
    [
        (("red",), (0, 0, 0)),
        (("red", "nir"), (0, 0, 0)),
        (("red", "green", "blue"), (0, 1, 2)),
        (("Blue", "Green", "Red", "NIR"), (2, 1, 0)),
        (("nir", "red", "green"), (0, 1, 2)),
        (("red", "green", "nir", "dsm"), (2, 0, 1)),
        (("b1", "b2", "b3", "b4", "b5"), (0, 1, 2)),
    ],
)
def test_pictures_show_natural_colours_or_else_infrared_or_else_the_first_bands(
    bands: tuple[str, ...], shown: tuple[int, int, int]
) -> None:
    raw = np.random.default_rng(0).integers(0, 256, (len(bands), 4, 6), dtype=np.uint8)

    picture = display_image(raw, bands)

    assert picture.dtype == np.uint8
    assert np.array_equal(picture, raw[list(shown)].transpose(1, 2, 0))


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_data_that_are_not_bytes_are_stretched_between_percentiles(dtype: type[np.generic]) -> None:
    ramp = np.linspace(1000, 3000, 101).astype(dtype).reshape(1, 101)
    raw = np.stack([ramp, ramp[:, ::-1], ramp])

    picture = display_image(raw, ("red", "green", "blue"))

    assert (picture[0, 0, 0], picture[0, 2, 0], picture[0, 98, 0], picture[0, 100, 0]) == (0, 0, 255, 255)
    assert picture[0, 50, 0] == pytest.approx(128, abs=1)
    assert np.array_equal(picture[..., 1], picture[:, ::-1, 0])


def test_flat_and_empty_bands_are_black() -> None:
    raw = np.stack([np.full((2, 2), 7.0), np.full((2, 2), NAN), np.array([[NAN, 1.0], [2.0, np.inf]])])

    picture = display_image(raw, ("red", "green", "blue"))

    assert not picture[..., :2].any()
    assert picture[..., 2].tolist() == [[0, 0], [255, 0]]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (12_345, "12.3 k"), (4_560_000, "4.56 M"), (7 * 10**9, "7 G")]
)
def test_pixels_are_counted_in_three_figures(count: int, text: str) -> None:
    assert count_text(count) == text
