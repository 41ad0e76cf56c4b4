"""Figures of a run, each a function that writes one PNG and returns its path.

matplotlib is imported when the first figure is drawn, and used without its global state: no backend is chosen, no
setting outlives a figure.
"""

from saticl.display.figures.bars import class_scores_figure
from saticl.display.figures.class_colours import colour_map
from saticl.display.figures.curves import curves_figure
from saticl.display.figures.display import display_image
from saticl.display.figures.matrices import confusion_figure, steps_figure
from saticl.display.figures.panels import PanelRow, panels_figure

__all__ = [
    "PanelRow",
    "class_scores_figure",
    "colour_map",
    "confusion_figure",
    "curves_figure",
    "display_image",
    "panels_figure",
    "steps_figure",
]
