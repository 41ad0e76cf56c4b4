"""Maps side by side: image, truth, prediction of the previous step and of this one, and where it is wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saticl.display.figures.canvas import INK, PALE, blank, drawn, hex_colour, readable
from saticl.display.figures.class_colours import BLACK, colour_map
from saticl.labels import IGNORE, Colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

Picture = NDArray[np.uint8]
"""[H, W, 3]."""
Classes = NDArray[np.uint8]
"""[H, W]: output index, or 255."""
PanelRow = tuple[Picture, Classes, Classes, Classes | None]
"""Image, truth, prediction, and the prediction of the previous step if there is one."""

WRONG: Colour = (215, 25, 70)
CELL = 2.3
"""Inches per map."""


def panels_figure(rows: Sequence[PanelRow], names: Sequence[str], colours: Sequence[Colour], path: Path) -> Path:
    """One row of maps per image, with a legend of the classes that occur; `names` and `colours` by output index."""
    table = colour_map(names, colours)
    has_previous = any(previous is not None for *_, previous in rows)
    titles = ["image", "truth", *(["previous step"] if has_previous else []), "this step", "errors"]
    shown = _occurring(rows, len(names))
    lines, columns = _legend_shape([names[index] for index in shown], CELL * len(titles))

    def draw(figure: "Figure") -> None:
        grid = figure.subplots(len(rows), len(titles), squeeze=False)
        for axes_row, (image, truth, now, before) in zip(grid, rows, strict=True):
            earlier = [table[before] if before is not None else None] if has_previous else []
            pictures = [image, table[truth], *earlier, table[now], _errors(image, truth, now)]
            for axes, picture in zip(axes_row, pictures, strict=True):
                _show(axes, picture)
        for axes, title in zip(grid[0], titles, strict=True):
            axes.set_title(title, loc="center", pad=5)
        handles = _legend(names, table, shown)
        figure.legend(handles=handles, loc="outside lower center", ncols=columns)

    height = len(rows) * (CELL * _tallness(rows) + 0.02) + 0.28 + 0.19 * lines + 0.1
    return drawn(path, CELL * len(titles), height, draw, padding=0.03)


def _occurring(rows: Sequence[PanelRow], num_classes: int) -> list[int]:
    maps = [indices for _, *three in rows for indices in three if indices is not None]
    found = np.unique(np.concatenate([np.unique(indices) for indices in maps]))
    return [int(index) for index in found if index < num_classes]


def _legend_shape(names: Sequence[str], width: float) -> tuple[int, int]:
    """Lines and columns, evenly filled, of a legend with two more entries than names, for a width in inches."""
    entries = len(names) + 2
    most = max(1, int(width / (0.075 * max(map(len, [*names, "not scored"])) + 0.55)))
    lines = -(-entries // most)
    return lines, -(-entries // lines)


def _tallness(rows: Sequence[PanelRow]) -> float:
    """Height of a map over its width: the tallest."""
    return max(float(image.shape[0]) / float(image.shape[1]) for image, *_ in rows)


def _errors(image: Picture, truth: Classes, prediction: Classes) -> Picture:
    """The image in pale grey, wrong pixels in red, those without a label in black."""
    grey = image.mean(axis=2, keepdims=True)
    picture = np.repeat((185 + 0.27 * grey).astype(np.uint8), 3, axis=2)
    picture[prediction != truth] = WRONG
    picture[truth == IGNORE] = BLACK
    return picture


def _show(axes: "Axes", picture: Picture | None) -> None:
    blank(axes)
    if picture is None:
        axes.set_visible(False)
        return
    axes.imshow(picture, interpolation="nearest")
    axes.spines[:].set(visible=True, color=PALE, linewidth=0.8)


def _legend(names: Sequence[str], table: NDArray[np.uint8], shown: Sequence[int]) -> "list[Patch]":
    from matplotlib.patches import Patch

    entries = [(readable(names[index]), hex_colour(table[index])) for index in shown]
    entries += [("wrong", hex_colour(WRONG)), ("not scored", hex_colour(BLACK))]
    return [Patch(facecolor=fill, edgecolor=INK, linewidth=0.6, label=name) for name, fill in entries]
