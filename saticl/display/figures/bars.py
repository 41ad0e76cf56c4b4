"""IoU and F1 of every class, in the classes' own colours."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saticl.display.figures.canvas import FAINT, INK, PALE, drawn, hex_colour, readable
from saticl.display.figures.class_colours import colour_map
from saticl.labels import Colour
from saticl.metrics.scores import Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAP = 0.7
"""Room between groups, in bars."""


def class_scores_figure(scores: Scores, colours: Sequence[Colour], new: Sequence[str], path: Path) -> Path:
    """A bar per class for its IoU, a dot for its F1; background, old and new classes apart, with the mean IoU of each.

    Args:
        scores: of one step.
        colours: by output index.
        new: names of the classes that this step has learned.
        path: where the PNG goes.
    """
    groups = _groups(scores, new)
    fills = [hex_colour(colour) for colour in colour_map(scores.names, colours)]
    heights = _places([len(indices) for _, indices in groups])

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        for (title, indices), places in zip(groups, heights, strict=True):
            _bars(axes, scores, fills, indices, places)
            _group_mark(axes, title, _mean_iou(scores, title), places)
        everything = [place for places in heights for place in places]
        axes.set_yticks(everything, [readable(scores.names[index]) for _, indices in groups for index in indices])
        axes.set_ylim(everything[-1] + 0.7, everything[0] - 0.7)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
        axes.grid(axis="x")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title("IoU by class, %")
        axes.plot([], [], "o", color="white", markeredgecolor=INK, markersize=6, label="F1")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, handletextpad=0.1)

    return drawn(path, 8, 1.0 + 0.32 * (heights[-1][-1] + 1.4), draw)


def _groups(scores: Scores, new: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Titles and output indices of the groups that are not empty, in the order of the heads."""
    indices = range(1, len(scores.names))
    old = [index for index in indices if scores.names[index] not in new]
    fresh = [index for index in indices if scores.names[index] in new]
    return [group for group in (("background", [0]), ("old", old), ("new", fresh)) if group[1]]


def _mean_iou(scores: Scores, group: str) -> float:
    return scores.groups[group].iou if group in scores.groups else math.nan


def _places(sizes: Sequence[int]) -> list[list[float]]:
    """Heights of the bars of each group, downwards."""
    starts = [sum(sizes[:group]) + GAP * group for group in range(len(sizes))]
    return [[start + bar for bar in range(size)] for start, size in zip(starts, sizes, strict=True)]


def _bars(axes: "Axes", scores: Scores, fills: Sequence[str], indices: Sequence[int], places: Sequence[float]) -> None:
    for index, place in zip(indices, places, strict=True):
        iou, f1 = float(scores.classes.iou[index]), float(scores.classes.f1[index])
        if math.isnan(iou):
            _remark(axes, "does not occur", place)
            continue
        if not scores.classes.support[index]:
            _remark(axes, "no ground truth", place)
            continue
        axes.barh(place, iou, 0.74, color=fills[index], edgecolor=INK, linewidth=0.8)
        axes.plot(f1, place, "o", color="white", markeredgecolor=INK, markersize=6, clip_on=False, zorder=3)
        axes.text(1.035, place, f"{100 * iou:.1f}", va="center_baseline", ha="left")


def _remark(axes: "Axes", text: str, place: float) -> None:
    """Words where there is no bar."""
    axes.text(0.008, place, text, va="center_baseline", color=FAINT, fontsize=9, style="italic")


def _group_mark(axes: "Axes", title: str, mean: float, places: Sequence[float]) -> None:
    """A bracket at the far right with the group's name and its mean IoU, which is also a dashed line."""
    top, bottom = places[0] - 0.4, places[-1] + 0.4
    axes.plot([1.125, 1.125], [top, bottom], color=PALE, linewidth=3, clip_on=False, solid_capstyle="butt")
    text = title if math.isnan(mean) or title == "background" else f"{title}\nmean {100 * mean:.1f}"
    axes.text(1.14, (top + bottom) / 2, text, va="center", ha="left", color=FAINT)
    if not math.isnan(mean) and len(places) > 1:
        axes.plot([mean, mean], [top, bottom], color=INK, linewidth=1, linestyle=(0, (4, 3)))
