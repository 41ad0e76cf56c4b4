"""What a label can be besides a class, and the words that pictures and tables share. Free of torch and rasterio."""

from typing import Literal

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
