"""Agriculture-Vision, the release of 2021.

`6-2` is that of the code of Arnaudo et al. (ICIAP 2021, arXiv:2112.03814), by its ids. The names behind the ids are
ours, since its prepared masks are not published: the evaluated patterns of that release in alphabetical order, as
those of the release before are numbered.
"""

from saticl.protocols.ids import from_ids
from saticl.tasks import Protocol, offline

BACKGROUND = "background"
"""What is in no mask."""

AGRICULTURE_VISION_CLASSES = (
    *(BACKGROUND, "double_plant", "drydown", "endrow", "nutrient_deficiency"),
    *("planter_skip", "water", "waterway", "weed_cluster"),
)
"""Classes by their id."""

AGRICULTURE_VISION: tuple[Protocol, ...] = (
    offline(AGRICULTURE_VISION_CLASSES, BACKGROUND),
    from_ids("6-2", ("1 2 3 4 5 8", "6 7"), AGRICULTURE_VISION_CLASSES, background=BACKGROUND),
)
"""Protocols of the release of 2021."""
