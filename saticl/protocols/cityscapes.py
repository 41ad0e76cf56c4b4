"""Cityscapes. A place is a city: the group of its scenes.

`1-2-3` is the order of Klingner et al. (CIL, arXiv:2005.06050): each step brings classes and cities, so that no image
is seen twice; erfurt is in no step, it was kept for tuning. Published scores are on the 500 images of the official
val.

`11-5`, `11-1` and `1-1` are PLOP's (arXiv:2011.11390) domain-incremental orders: all classes are known from the first
step, and each step brings other cities. What is scored: the published runs merge the official train and val, keep 20 %
of the images of each step, and score on these. So do `train --task.splits merged --val-size 0.2` and `test --split
val`, with images drawn by us. Otherwise the official split is used: no training image is of frankfurt, lindau or
munster then, so the last step of `11-5` has two cities, and the last three of `11-1` and `1-1` are refused.

`17-2`, `13-6`, `13-6s` are UCD's class-incremental orders, `10-9` is RCIL's, all with an artificial background.
"""

from saticl.protocols.ids import from_ids, in_order
from saticl.tasks import Protocol, offline

CITYSCAPES_CLASSES = (
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic_light",
    "traffic_sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)
"""Classes by trainId."""

CITIES = (
    *("aachen", "bremen", "darmstadt", "erfurt", "hanover", "krefeld", "strasbourg", "tubingen", "weimar", "bochum"),
    *("cologne", "dusseldorf", "hamburg", "jena", "monchengladbach", "stuttgart", "ulm", "zurich"),
    *("frankfurt", "lindau", "munster"),
)
"""Cities as PLOP numbers them; the last three are those of the official val."""

CIL_CITIES = (
    ("hanover", "aachen", "strasbourg", "dusseldorf"),
    ("jena", "monchengladbach", "ulm", "tubingen", "bochum", "hamburg", "weimar"),
    ("zurich", "darmstadt", "bremen", "cologne", "stuttgart", "krefeld"),
)
"""Cities of each step of `1-2-3`."""


def _by_city(name: str, sizes: tuple[int, ...]) -> Protocol:
    """All classes at once, then so many cities per step."""
    places = in_order(name, sizes, CITIES).groups
    return Protocol(name, (CITYSCAPES_CLASSES, *[()] * (len(places) - 1)), places=places)


CITYSCAPES: tuple[Protocol, ...] = (
    offline(CITYSCAPES_CLASSES),
    from_ids("1-2-3", ("0 1 8 9 10", "2 3 4 5 6 7", "11 12 13 14 15 16 17 18"), CITYSCAPES_CLASSES, places=CIL_CITIES),
    _by_city("11-5", (11, 5, 5)),
    _by_city("11-1", (11, *10 * [1])),
    _by_city("1-1", (*21 * [1],)),
    in_order("17-2", (17, 2), CITYSCAPES_CLASSES),
    in_order("13-6", (13, 6), CITYSCAPES_CLASSES),
    in_order("13-6s", (13, *6 * [1]), CITYSCAPES_CLASSES),
    in_order("10-9", (10, 9), CITYSCAPES_CLASSES),
)
"""Protocols of Cityscapes."""
