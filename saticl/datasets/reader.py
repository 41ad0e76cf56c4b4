"""Reading of a raw scene, window by window: image, surface model and labels on one grid.

Images are read by `geo/imagery.py`, masks by `masks.py`; here they are put together.
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
from saticl.datasets.masks import MaskReader, open_mask
from saticl.errors import InvalidRaster
from saticl.geo.imagery import ImageReader, open_image
from saticl.geo.palette import Decoded, Flags
from saticl.geo.raster import Array
from saticl.geo.windows import Window
from saticl.labels import IGNORE


class Layers(NamedTuple):
    """What a tile is made of, on one grid."""

    image: Array
    """[C, H, W] uint8, uint16 or float32; 0 where there is no data."""
    dsm: NDArray[np.float32] | None
    """[1, H, W]."""
    mask: NDArray[np.uint8]
    """[H, W] dataset labels; IGNORE where ignored, of no class, or without data."""


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
    mask: MaskReader | None

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
        return self.imagery.notes

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
        labels, inexact, unknown = self._labels(window)
        if invalid is not None:
            labels[invalid] = IGNORE
        return Reading(Layers(image, dsm, labels), invalid, inexact, unknown)

    def _labels(self, window: Window) -> Decoded:
        """Those of the mask; a scene without one is ignored everywhere."""
        if self.mask is None:
            return Decoded(np.full((window.height, window.width), IGNORE, np.uint8), None, None)
        return self.mask.read(window)


@contextmanager
def open_scene(scene: Scene) -> Iterator[SceneReader]:
    """Open the files of a scene and check that they fit.

    Raises InvalidRaster for damaged files, sizes that differ, masks of a type that cannot be read, and numbers of
    bands that were not declared.
    """
    with ExitStack() as stack:
        mask = None
        if scene.mask is not None:
            mask = stack.enter_context(open_mask(scene.mask, scene.palette, scene.is_strict))
        beside = () if mask is None else (mask.source,)
        imagery = stack.enter_context(
            open_image(scene.image, scene.bands, scene.dsm, scene.crs, scene.wanted, scene.nodata, beside)
        )
        if mask is not None and imagery.regrid is not None:
            mask = stack.enter_context(mask.on_grid(imagery.own, imagery.regrid.grid))
        elif mask is not None:
            _check_size(scene, imagery, mask.source)
        yield SceneReader(scene, imagery, mask)


def _check_size(scene: Scene, imagery: ImageReader, mask: DatasetReader) -> None:
    if (imagery.width, imagery.height) != (mask.width, mask.height):
        raise InvalidRaster(
            f"{scene.image} has {imagery.width} x {imagery.height} pixels but its mask {scene.mask} "
            f"{mask.width} x {mask.height}: they must be of the same size."
        )
