"""How all figures look: their paper, ink, letters, and how they reach the disk."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saticl.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
INK, FAINT, PALE = "#22272e", "#6b7480", "#e3e6ea"
"""Text and marks; what stands back; lines and areas that should hardly be seen."""

STYLE: Any = {
    "font.size": 10,
    "text.parse_math": False,  # a class may have a dollar in its name
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 10,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def drawn(path: Path, width: float, height: float, draw: "Callable[[Figure], None]", padding: float = 0.06) -> Path:
    """Make a figure of this size in inches, let `draw` fill it, write it as PNG and return the path.

    `padding` is the room around each of its axes, in inches.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=padding, h_pad=padding, wspace=0.01, hspace=0.01)
        figure = Figure(figsize=(width, height), dpi=DPI, layout=layout, facecolor="white")
        draw(figure)
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png")
    return path


def hex_colour(colour: Iterable[int]) -> str:
    """As matplotlib likes it."""
    return "#" + bytes(map(int, colour)).hex()


def blank(axes: "Axes") -> None:
    """Leave nothing of the axes but what is drawn in them."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def readable(name: str) -> str:
    """The name of a class as people write it."""
    return name.replace("_", " ")


def count_text(count: int) -> str:
    """A number of pixels in three figures: 950, 12.3 k, 4.56 M."""
    for size, unit in ((10**9, " G"), (10**6, " M"), (10**3, " k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)
