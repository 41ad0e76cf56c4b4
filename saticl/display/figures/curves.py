"""How a step went: terms of the loss, scores on the validation tiles and learning rate by epoch."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saticl.display.figures.canvas import FAINT, INK, drawn
from saticl.runs.journal import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCORES: Mapping[str, str] = {"f1": "F1", "old_miou": "mIoU old", "new_miou": "mIoU new", "miou": "mIoU"}
"""Scores of a validation, and how they are called in a legend."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c6d31")
"""Told apart by colour-blind readers too (Okabe and Ito, extended)."""


def curves_figure(epochs: Sequence[Epoch], path: Path) -> Path:
    """Loss terms, validation scores and learning rate by epoch; the best epoch is marked."""
    terms = dict.fromkeys(term for epoch in epochs for term in epoch.terms)
    best = max((epoch.epoch for epoch in epochs if epoch.validation and epoch.validation.best), default=None)
    rates = [(epoch.epoch, epoch.lr) for epoch in epochs]
    last = max((epoch.epoch for epoch in epochs), default=1)
    highest = max((rate for _, rate in rates if rate > 0), default=1)

    def draw(figure: "Figure") -> None:
        from matplotlib.ticker import MaxNLocator

        loss, scores, rate = figure.subplots(3, sharex=True, height_ratios=(4, 4, 1.3))
        if len(terms) > 1:
            _line(loss, [(epoch.epoch, epoch.loss) for epoch in epochs], "sum", INK)
        for number, term in enumerate(terms):
            values = [(epoch.epoch, epoch.terms[term]) for epoch in epochs if term in epoch.terms]
            _line(loss, values, term, COLOURS[number % len(COLOURS)])
        for (name, label), colour in zip(SCORES.items(), (FAINT, *COLOURS[:2], INK), strict=True):
            shares = [(epoch.epoch, getattr(epoch.validation, name)) for epoch in epochs if epoch.validation]
            _line(scores, [(number, 100 * share) for number, share in shares], label, colour)
        _line(rate, rates, "", FAINT)
        for axes, title in ((loss, "Loss"), (scores, "Validation, %"), (rate, "Learning rate")):
            _finish(axes, title, best)
        loss.set_ylim(bottom=min(0, loss.get_ylim()[0]))
        scores.set_ylim(0, 100)
        rate.set(ylim=(0, 1.15 * highest), yticks=(0, highest), yticklabels=("0", f"{highest:.3g}"))
        rate.set(xlabel="epoch", xlim=(0.5, last + 0.5))
        rate.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if best is not None:
            side = "right" if best > 0.8 * last else "left"
            place = ("data", "axes fraction")
            scores.annotate(f" best: {best} ", (best, 1), xycoords=place, va="top", ha=side, fontsize=9)

    return drawn(path, 9, 7.5, draw)


def _line(axes: "Axes", values: Sequence[tuple[int, float]], label: str, colour: str) -> None:
    """Values by epoch, those that are known."""
    points = [(epoch, value) for epoch, value in values if not math.isnan(value)]
    if points:
        marker = "o" if len(points) < 25 else ""
        axes.plot(*zip(*points, strict=True), color=colour, label=label, marker=marker, markersize=3.5, linewidth=1.6)


def _finish(axes: "Axes", title: str, best: int | None) -> None:
    """Title, a light grid, a legend beside the axes, and a line at the best epoch."""
    axes.set_title(title)
    axes.grid(axis="y")
    if best is not None:
        axes.axvline(best, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=0.5)
    if any(label for label in axes.get_legend_handles_labels()[1]):
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
