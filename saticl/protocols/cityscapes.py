"""Cityscapes."""

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

CITYSCAPES: tuple[Protocol, ...] = (offline(CITYSCAPES_CLASSES),)
"""Protocols of Cityscapes."""
