"""LoveDA: urban and rural scenes; the places are `urban` and `rural`, the groups of the scenes.

`urban-rural-mixed` is named by ProtoFlow (arXiv:2604.03212), with no more than these three words. That all classes are
known from the first step, and that the last step has the scenes of both places, is a reconstruction. No
class-incremental order of LoveDA is known to us.
"""

from saticl.tasks import Protocol, offline

BACKGROUND = "background"
"""A labelled class of the dataset: value 1 of its masks."""

LOVEDA_CLASSES = (BACKGROUND, "building", "road", "water", "barren", "forest", "agriculture")
"""Classes in the order of their values in the masks, which begin at 1; 0 is no data."""

LOVEDA: tuple[Protocol, ...] = (
    offline(LOVEDA_CLASSES, BACKGROUND),
    Protocol(
        "urban-rural-mixed",
        (LOVEDA_CLASSES[1:], (), ()),
        BACKGROUND,
        places=(("urban",), ("rural",), ("urban", "rural")),
    ),
)
"""Protocols of LoveDA."""
