"""Reading of a raw scene, window by window: image, surface model and labels on one grid.

Images are read by `geo/imagery.py`, labels by `overlay.py`; here they are put together.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio import DatasetReader
from rasterio.crs import CRS

from saticl.datasets.base import Scene
from saticl.datasets.masks import Under
from saticl.datasets.overlay import LabelReader, open_labels
from saticl.geo.imagery import ImageReader, open_image
from saticl.geo.palette import Flags
from saticl.geo.raster import Array, opened
from saticl.geo.windows import Window
from saticl.labels import IGNORE


class Layers(NamedTuple):
    """What a tile is made of, on one grid."""

    image: Array
    """[C, H, W] uint8, uint16 or float32; 0 where there is no data."""
    dsm: NDArray[np.float32] | None
    """[1, H, W]."""
    mask: NDArray[np.uint8]
    """[H, W] dataset labels; UNLABELLED where nothing is drawn, IGNORE where ignored, of no class, or without data."""


class Reading(NamedTuple):
    """A window of a scene. Flags are [H, W], or None where there is nothing to tell."""

    layers: Layers
    invalid: Flags | None
    """Pixels without data."""
    inexact: Flags | None
    """Pixels whose colour in the mask is not exactly one of the palette's."""
    unknown: Flags | None
    """Pixels of no class."""


@dataclass(frozen=True)
class SceneReader:
    """A scene whose files are open."""

    scene: Scene
    imagery: ImageReader
    labels: LabelReader

    @property
    def transform(self) -> Affine:
        """Where the scene lies."""
        return self.imagery.transform

    @property
    def crs(self) -> CRS | None:
        """Its coordinate system."""
        return self.imagery.crs

    @property
    def image(self) -> DatasetReader:
        """The file of the image."""
        return self.imagery.image

    @property
    def dsm(self) -> DatasetReader | None:
        """The file of the surface model."""
        return self.imagery.dsm

    @property
    def notes(self) -> tuple[str, ...]:
        """Defects that are repaired while reading."""
        return (*self.imagery.notes, *self.labels.notes)

    @property
    def height(self) -> int:
        """Rows of the scene."""
        return self.imagery.height

    @property
    def width(self) -> int:
        """Columns of the scene."""
        return self.imagery.width

    def read(self, window: Window) -> Reading:
        """The pixels of a window inside the scene; raises InvalidRaster for a mask of unknown colours."""
        image, dsm, invalid = self.imagery.read(window)
        labels, inexact, unknown = self.labels.read(window)
        if invalid is not None:
            labels[invalid] = IGNORE
        return Reading(Layers(image, dsm, labels), invalid, inexact, unknown)


@contextmanager
def open_scene(scene: Scene) -> Iterator[SceneReader]:
    """Open the files of a scene and check that they fit.

    Raises InvalidRaster for damaged files, masks and polygons that do not fit the image, masks of a type that cannot
    be read, and numbers of bands that were not declared.
    """
    with ExitStack() as stack:
        beside = [stack.enter_context(opened(mask.path)) for mask in scene.masks]  # which may know where it lies
        imagery = stack.enter_context(
            open_image(
                scene.image,
                scene.bands,
                scene.dsm,
                scene.crs,
                scene.wanted,
                scene.nodata,
                beside,
                scene.may_be_grey,
                scene.more,
            )
        )
        labels = stack.enter_context(open_labels(scene, Under(imagery.own, imagery.grid, imagery.is_located)))
        yield SceneReader(scene, imagery, labels)
