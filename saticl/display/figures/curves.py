"""How a step went: terms of the loss, scores on the validation tiles and learning rate by epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saticl.display.figures.canvas import FAINT, INK, drawn
from saticl.runs.journal import Event

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCORES: Mapping[str, str] = {
    "val_f1": "F1",
    "val_old_miou": "mIoU old",
    "val_new_miou": "mIoU new",
    "val_miou": "mIoU",
}
"""What a validation writes into the journal, and how it is called in a legend."""
COSTS = {"images_per_s", "seconds", "iterations", "peak_memory_mb"}
"""What an epoch took, on the machine it ran on."""
NOT_TERMS = {"event", "time", "epoch", "loss", "lr", "best", *COSTS, *SCORES}
"""Entries of an epoch that are no term of the loss; everything else is one."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c6d31")
"""Told apart by colour-blind readers too (Okabe and Ito, extended)."""


def curves_figure(events: Sequence[Event], path: Path) -> Path:
    """Loss terms, validation scores and learning rate by epoch, from a journal; the best epoch is marked."""
    epochs = [event for event in events if event["event"] == "epoch"]
    terms = dict.fromkeys(key for event in epochs for key in event if key not in NOT_TERMS)
    best = max((event["epoch"] for event in epochs if event.get("best")), default=None)

    def draw(figure: "Figure") -> None:
        from matplotlib.ticker import MaxNLocator

        loss, scores, rate = figure.subplots(3, sharex=True, height_ratios=(4, 4, 1.3))
        if len(terms) > 1:
            _line(loss, epochs, "loss", "sum", INK)
        for number, term in enumerate(terms):
            _line(loss, epochs, term, term, COLOURS[number % len(COLOURS)])
        for (key, label), colour in zip(SCORES.items(), (FAINT, *COLOURS[:2], INK), strict=True):
            _line(scores, epochs, key, label, colour, scale=100)
        _line(rate, epochs, "lr", "", FAINT)
        for axes, title in ((loss, "Loss"), (scores, "Validation, %"), (rate, "Learning rate")):
            _finish(axes, title, best)
        last = max((event["epoch"] for event in epochs), default=1)
        highest = max((event["lr"] for event in epochs if event.get("lr")), default=1)
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


def _line(axes: "Axes", epochs: Sequence[Event], key: str, label: str, colour: str, scale: float = 1) -> None:
    """One entry of the epochs that have it."""
    points = [(event["epoch"], scale * event[key]) for event in epochs if event.get(key) is not None]
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
