"""Pascal VOC 2012."""

from saticl.tasks import Protocol, offline

BACKGROUND = "background"
"""Class 0 of the masks."""

VOC_CLASSES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining_table",
    "dog",
    "horse",
    "motorbike",
    "person",
    "potted_plant",
    "sheep",
    "sofa",
    "train",
    "tv_monitor",
)
"""Classes by their value in the masks; 255 is void."""

VOC: tuple[Protocol, ...] = (offline(VOC_CLASSES, BACKGROUND),)
"""Protocols of Pascal VOC."""
