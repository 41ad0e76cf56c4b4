"""Maps against masks of the same images: counts for the one scoring function."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saticl.errors import InvalidOptions, InvalidRaster
from saticl.geo.class_masks import class_labels
from saticl.geo.raster import Array, opened, read_bands
from saticl.geo.windows import Window
from saticl.inference.scenes import RASTERS
from saticl.labels import Colour

ROWS = 1024
"""Rows that are compared at once."""


def masks_of(stems: Sequence[str], truth: Path) -> list[Path]:
    """The mask of each image: the file itself for one image, else the file of the same name in the folder.

    Raises:
        InvalidOptions: one is missing, or stands for several.
    """
    if truth.is_file():
        if len(stems) > 1:
            raise InvalidOptions(
                f"--ground-truth {truth} is one mask for {len(stems)} images: give a folder of masks."
            )
        return [truth]
    files = [path for path in sorted(truth.iterdir()) if path.suffix.lower() in RASTERS] if truth.is_dir() else []
    found = {path.stem: path for path in files}
    twice = next((path for path in files if found[path.stem] != path and path.stem in stems), None)
    if twice is not None:
        raise InvalidOptions(
            f"{twice} and {found[twice.stem]} could both be the mask of {twice.stem}: keep one of them."
        )
    missing = [stem for stem in stems if stem not in found]
    if missing:
        raise InvalidOptions(
            f"--ground-truth {truth} has no mask of {', '.join(missing[:3])}: give a folder with a mask of the same "
            "name for every image."
        )
    return [found[stem] for stem in stems]


def compare(class_map: Path, mask: Path, colours: Sequence[Colour]) -> NDArray[np.int64]:
    """Pixels by truth (rows) and map (columns) [K, K]; pixels without data or without a class are left out.

    Masks of three bands, or with a table of colours, have the colours of the classes; others the values of the map.

    Raises:
        InvalidRaster: a mask of another size, or that cannot be read.
    """
    counts = np.zeros((len(colours), len(colours)), np.int64)
    with opened(class_map) as predicted, opened(mask) as truth:
        if (truth.height, truth.width) != (predicted.height, predicted.width):
            raise InvalidRaster(
                f"{mask} has {truth.width} x {truth.height} pixels, but its image {predicted.width} x "
                f"{predicted.height}: a mask has the size of its image."
            )
        for top in range(0, predicted.height, ROWS):
            window = Window(top, 0, min(ROWS, predicted.height - top), predicted.width)
            values = read_bands(predicted, [1], window)[0]
            counts += _counted(class_labels(truth, window, colours), values, len(colours))
    return counts


def _counted(truth: Array, predicted: Array, num_classes: int) -> NDArray[np.int64]:
    known = (truth < num_classes) & (predicted < num_classes)
    pairs = num_classes * truth[known].astype(np.int64) + predicted[known]
    counts: NDArray[np.int64] = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    return counts
