"""Heat maps of shares: what is taken for what, and what remains of each step's classes."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saticl.display.figures.canvas import FAINT, INK, PALE, blank, count_text, drawn, readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW, LARGEST_WITH_NUMBERS = 8, 24
"""Classes up to which there is room for slanted names and every number; for upright names and numbers that matter."""


def confusion_figure(matrix: ArrayLike, names: Sequence[str], path: Path) -> Path:
    """Confusion matrix [K, K], rows truth, each row in percent of its pixels, which are given at its end.

    A further row, of pixels whose class is not known, is not shown.
    """
    counts = np.asarray(matrix, dtype=np.int64)[: len(names)]
    support = counts.sum(axis=1)
    shares = np.where(support[:, None] > 0, counts / np.maximum(support, 1)[:, None], np.nan)
    size = len(counts)
    labels = [readable(name) for name in names]
    cell = 0.54 if size <= FEW else 0.42 if size <= LARGEST_WITH_NUMBERS else max(0.11, 12 / size)
    letters = 9 if size <= LARGEST_WITH_NUMBERS else max(4.0, 62 * cell)
    slant = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if size <= FEW else {"rotation": 90}

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        _heat(axes, shares, smallest=0 if size <= FEW else 0.005 if size <= LARGEST_WITH_NUMBERS else None)
        axes.set_xticks(range(size), labels, **slant)
        axes.set_yticks(range(size), labels)
        axes.tick_params(labelsize=letters, length=0)
        axes.set_xlabel("prediction")
        axes.set_ylabel("truth")
        _row_ends(axes, [count_text(int(pixels)) for pixels in support], letters)
        axes.set_title("Confusion, % of each true class")

    side = size * cell
    return drawn(path, max(side + 2.9, 5), max(side + 1.9, 3.2), draw)


def steps_figure(matrix: Sequence[Sequence[float]], groups: Sequence[str], columns: Sequence[str], path: Path) -> Path:
    """Mean IoU (0 to 1) of every group of classes (rows) after every step (columns); NaN: not learned yet.

    A row named "all" is set apart from the rows of single steps.
    """
    shares = np.asarray(matrix, dtype=np.float64).reshape(len(groups), len(columns))
    labels = [textwrap.fill(readable(group), 34, max_lines=3, placeholder=" ...") for group in groups]
    height = sum(max(0.5, 0.19 * (label.count("\n") + 1) + 0.12) for label in labels)

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        _heat(axes, shares, smallest=0, letters=11)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(groups)), labels)
        axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False, labelsize=10)
        if "all" in groups:
            axes.axhline(groups.index("all") - 0.5, color="white", linewidth=6)
        axes.set_title("Mean IoU in % by classes and step", pad=14)

    return drawn(path, max(0.95 * len(columns) + 3.0, 4.2), height + 1.0, draw)


def _heat(axes: "Axes", shares: NDArray[np.float64], smallest: float | None, letters: float = 9) -> None:
    """Shares in percent, white to dark blue; what is not a number stays pale.

    Numbers from `smallest` upwards are written into their cells; none where that is None.
    """
    from matplotlib import colormaps

    shades = colormaps["Blues"].with_extremes(bad=PALE)
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    blank(axes)
    rows, columns = shares.shape
    edges = np.arange(max(rows, columns) + 1) - 0.5
    axes.hlines(edges[: rows + 1], -0.5, columns - 0.5, color="white", linewidth=1)
    axes.vlines(edges[: columns + 1], -0.5, rows - 0.5, color="white", linewidth=1)
    for (row, column), share in np.ndenumerate(shares):
        if smallest is None or share < smallest:
            continue
        colour = FAINT if np.isnan(share) or share < 0.005 else "white" if share > 0.55 else INK
        axes.text(column, row, _percent(share), ha="center", va="center_baseline", color=colour, fontsize=letters)


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.0f}" if share < 0.9995 else "100"


def _row_ends(axes: "Axes", texts: Sequence[str], letters: float) -> None:
    """Faint words at the right end of each row, under the heading "pixels"."""
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(texts)), texts)
    right.tick_params(length=0, labelsize=letters, labelcolor=FAINT)
    right.spines[:].set_visible(False)
    right.set_ylabel("pixels", color=FAINT)
