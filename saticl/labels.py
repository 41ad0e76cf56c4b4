"""What a label can be besides a class, and the words that pictures and tables share. Free of torch and rasterio."""

from collections.abc import Collection
from typing import Literal, NamedTuple

IGNORE = 255
"""Label of pixels that no loss and no score may see."""

UNLABELLED = 254
"""Label in prepared masks where nobody has drawn a class: background, or not known, as the step is told."""

MAX_CLASSES = 253
"""Classes that a mask of one byte can hold beside these two; label 253 stays free for reading masks."""

BACKGROUND = 0
"""Output index of the background, for every dataset and every step."""

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

UNLABELLED_COLOUR: Colour = (96, 96, 96)
"""How prepared masks show it: grey, which hardly any class is."""

Split = Literal["train", "val", "test"]
"""What a scene is for."""

OldLabels = Literal["ignore", "use"]
"""What labels of old classes are in training: hidden like those of all other classes, as protocols demand, or used."""

Hidden = Literal["background", "ignore"]
"""What pixels of classes are in training that a step may not see."""

Unlabelled = Literal["background", "ignore"]
"""What pixels are where nobody has drawn a class."""

Void = Literal["background", "ignore"]
"""What pixels with label 255 are in training; in scoring they are always ignored."""

Unseen = Literal["background", "ignore"]
"""What pixels of classes count as in scoring that are not learned yet."""

ScoredImages = Literal["all", "seen"]
"""Which tiles are scored: all, or only those that show a class that is learned already."""


class TrainingLabels(NamedTuple):
    """What the labels of a step show in training, beside its new classes."""

    old: OldLabels = "ignore"
    unlabelled: Unlabelled = "background"
    hidden: Hidden = "background"
    void: Void = "ignore"

    def __str__(self) -> str:
        """As one line."""
        old = "old classes keep their labels" if self.old == "use" else f"old classes are {_taken(self.hidden)}"
        return (
            f"{old}, later ones {_taken(self.hidden)}, unlabelled pixels {_taken(self.unlabelled)}, void "
            f"{_taken(self.void)}"
        )


class ScoredLabels(NamedTuple):
    """What the labels show in scoring, beside the classes that are learned already."""

    unseen: Unseen = "background"
    unlabelled: Unlabelled | None = "background"
    """None: it differs between folders."""
    images: ScoredImages = "all"

    def __str__(self) -> str:
        """As one line."""
        unlabelled = "as in training" if self.unlabelled is None else _taken(self.unlabelled)
        images = "all images" if self.images == "all" else "images with a class learned so far"
        return f"unseen classes are {_taken(self.unseen)}, unlabelled pixels {unlabelled}, void ignored; {images}"


BY_DEFAULT = ScoredLabels()
"""The convention of PLOP."""


def one_of(values: Collection[Unlabelled]) -> Unlabelled | None:
    """The value that all have; None where they differ."""
    return next(iter(values)) if len(set(values)) == 1 else None


def _taken(value: str) -> str:
    return "ignored" if value == "ignore" else value
