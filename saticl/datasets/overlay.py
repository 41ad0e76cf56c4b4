"""Labels from several sources of one scene, each lying on those before it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rasterio import DatasetReader

from saticl.datasets.base import Scene
from saticl.datasets.masks import MaskReader, Under, open_mask
from saticl.geo.nodata import either
from saticl.geo.palette import Decoded
from saticl.geo.windows import Window
from saticl.labels import IGNORE, UNLABELLED

if TYPE_CHECKING:
    from saticl.datasets.polygons import PolygonReader


@dataclass(frozen=True)
class LabelReader:
    """All label sources of a scene, the last on top; a scene without any is ignored everywhere."""

    masks: tuple[MaskReader, ...]
    polygons: "PolygonReader | None"
    rest: int
    """What pixels become that are UNLABELLED in all of them."""

    @property
    def files(self) -> tuple[DatasetReader, ...]:
        """The files of the masks."""
        return tuple(mask.source for mask in self.masks)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to masks and polygons."""
        return tuple(note for source in self._sources for note in source.notes)

    def read(self, window: Window) -> Decoded:
        """The labels of a window; raises InvalidRaster for masks with values of no class where that is strict."""
        if not self._sources:
            return Decoded(np.full((window.height, window.width), IGNORE, np.uint8), None, None)
        lowest, *others = self._sources
        labels, inexact, unknown = lowest.read(window)
        for source in others:
            upper = source.read(window)
            np.copyto(labels, upper.labels, where=upper.labels != UNLABELLED)
            inexact, unknown = either(inexact, upper.inexact), either(unknown, upper.unknown)
        if self.rest != UNLABELLED:
            labels[labels == UNLABELLED] = self.rest
        return Decoded(labels, inexact, unknown)

    @property
    def _sources(self) -> "tuple[MaskReader | PolygonReader, ...]":
        return (*self.masks, *(() if self.polygons is None else (self.polygons,)))


@contextmanager
def open_labels(scene: Scene, under: Under) -> Iterator[LabelReader]:
    """Open masks and polygons of a scene on the grid of its image.

    Raises InvalidRaster for masks and polygons that are damaged or do not fit.
    """
    with ExitStack() as stack:
        masks = [open_mask(mask.path, mask.palette, scene.is_strict, under, scene.crs) for mask in scene.masks]
        opened = tuple(stack.enter_context(mask) for mask in masks)
        yield LabelReader(opened, _polygons(scene, under), scene.rest)


def _polygons(scene: Scene, under: Under) -> "PolygonReader | None":
    if scene.polygons is None:
        return None
    from saticl.datasets.polygons import open_polygons  # half a second, which scenes with masks need not wait

    return open_polygons(scene.polygons, under.grid, under.own.crs)
