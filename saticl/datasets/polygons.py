"""Polygons as the labels of a scene: what is drawn, in which order, and what the pixels are that none covers."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from rasterio.crs import CRS

from saticl.datasets.base import Polygons
from saticl.datasets.stamps import Stamp, stamps
from saticl.errors import InvalidRaster
from saticl.geo.drawing import Drawing
from saticl.geo.palette import Bytes, Decoded
from saticl.geo.place import Place
from saticl.geo.vectors import Found, read_polygons
from saticl.geo.windows import Window
from saticl.labels import IGNORE, UNLABELLED
from saticl.sentences import some_of

SHOWN = 8
"""Values of an attribute that a message lists."""

INSIDE = 1
"""What an area of interest draws."""


@dataclass(frozen=True)
class PolygonReader:
    """The polygons of a scene, in its pixels."""

    drawing: Drawing
    area: Drawing | None
    notes: tuple[str, ...]

    def read(self, window: Window) -> Decoded:
        """The labels of a window: UNLABELLED where no polygon is, IGNORE outside the area of interest."""
        labels = self.drawing.read(window)
        if self.area is not None:
            labels[self.area.read(window) != INSIDE] = IGNORE
        return Decoded(labels, None, None)


def open_polygons(polygons: Polygons, place: Place, of_image: CRS | None) -> PolygonReader:
    """Read the polygons that lie on a place, once for all blocks of a scene that a process cuts.

    `of_image` is the coordinate system of the image's file, which the place need not have.

    Raises InvalidRaster for what cannot be read or placed, polygons that all lie elsewhere (unless an area of interest
    says that somebody looked here), and values of the attribute that stand for no class.
    """
    return _opened(polygons, place, of_image, tuple(stamps(layer.path for layer in polygons.layers).items()))


@lru_cache(maxsize=2)
def _opened(
    polygons: Polygons, place: Place, of_image: CRS | None, _stamps: tuple[tuple[str, Stamp], ...]
) -> PolygonReader:
    """The stamps are those of the files: what was read before they changed is not taken."""
    area = None if polygons.area is None else read_polygons(polygons.area, place, of_image)
    found = read_polygons(polygons.layer, place, of_image, polygons.attribute)
    if area is not None and area.outside:
        raise InvalidRaster(area.outside)
    if area is None and found.outside:
        raise InvalidRaster(found.outside)
    _check_values(polygons, found)
    empty = () if len(found.polygons) else (f"no polygon of {polygons.layer.path} lies on it",)
    notes = (*found.notes, *empty, *(() if area is None else area.notes))
    covered = None if area is None else _area(area)
    return PolygonReader(_drawing(polygons, found), covered, notes)


def _drawing(polygons: Polygons, found: Found) -> Drawing:
    """Values that come later in `labels` are drawn later, and skipped ones not at all."""
    ranks = {value: rank for rank, (value, _) in enumerate(polygons.labels)}
    drawn = [index for index, value in enumerate(found.values) if value in ranks]
    drawn.sort(key=lambda index: ranks[found.values[index]])
    labels = dict(polygons.labels)
    values = np.array([labels[found.values[index]] for index in drawn], np.uint8)
    return Drawing(found.polygons[np.array(drawn, np.int64)], values, UNLABELLED, polygons.all_touched)


def _area(found: Found) -> Drawing:
    inside: Bytes = np.full(len(found.polygons), INSIDE, np.uint8)
    return Drawing(found.polygons, inside, 0, all_touched=False)


def _check_values(polygons: Polygons, found: Found) -> None:
    known = {*dict(polygons.labels), *polygons.skipped}
    features = dict(zip(found.features, found.values, strict=True))
    unknown = Counter(value for value in features.values() if value not in known)
    if unknown:
        named = some_of((f"{value} ({number:,})" for value, number in unknown.most_common()), SHOWN)
        raise InvalidRaster(
            f"{polygons.layer} has {unknown.total():,} polygons whose {polygons.attribute!r} stands for no class: "
            f"{named}. Write the values under `polygons` in `classes`, `ignore` or `skip`."
        )
