"""Reading of a raw scene, window by window: image, surface model and labels on one grid.

What is repaired here, and counted or noted: masks of off-palette colours, pixels without data, surface models that
lack a column, georeferences that only a neighbouring file has.
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
from rasterio.enums import ColorInterp

from saticl.datasets.base import Scene
from saticl.datasets.masks import mask_values, unknown_values
from saticl.datasets.nodata import blank, either, without_data
from saticl.errors import InvalidRaster
from saticl.geo.palette import Flags
from saticl.geo.raster import Array, opened, parse_crs, read_bands
from saticl.geo.windows import Window
from saticl.labels import IGNORE

MAX_DSM_GAP = 8
"""Rows or columns that a surface model may lack: more means that it belongs to another image."""


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
    """Reading without data."""
    inexact: Flags | None
    """Reading whose colour in the mask is not exactly one of the palette's."""
    unknown: Flags | None
    """Reading of no class."""


@dataclass(frozen=True)
class SceneReader:
    """A scene whose files are open."""

    scene: Scene
    image: DatasetReader
    mask: DatasetReader
    dsm: DatasetReader | None
    transform: Affine
    crs: CRS | None
    notes: tuple[str, ...]

    @property
    def height(self) -> int:
        """Rows of the scene."""
        return int(self.image.height)

    @property
    def width(self) -> int:
        """Columns of the scene."""
        return int(self.image.width)

    def read(self, window: Window) -> Reading:
        """The pixels of a window inside the scene; raises InvalidRaster for a mask of unknown colours."""
        image = _as_supported(read_bands(self.image, range(1, len(self.scene.bands) + 1), window))
        labels, inexact, unknown = self.scene.palette.decode(mask_values(self.mask, window, self.scene.palette))
        if unknown is not None and self.scene.is_strict:
            raise InvalidRaster(unknown_values(self.mask, self.scene.palette))
        dsm = None if self.dsm is None else _padded(self.dsm, window)
        invalid = without_data(self.image, image, window)
        if dsm is not None and self.dsm is not None:
            invalid = either(invalid, blank(dsm, self.dsm.nodata))
        if invalid is not None:
            labels[invalid] = IGNORE
            image[:, invalid] = 0
            if dsm is not None:
                dsm[:, invalid] = 0
        return Reading(Layers(image, dsm, labels), invalid, inexact, unknown)


@contextmanager
def open_scene(scene: Scene) -> Iterator[SceneReader]:
    """Open the files of a scene and check that they fit.

    Raises InvalidRaster for damaged files, sizes that differ, and numbers of bands that were not declared.
    """
    with ExitStack() as stack:
        image = stack.enter_context(opened(scene.image))
        mask = stack.enter_context(opened(scene.mask))
        dsm = None if scene.dsm is None else stack.enter_context(opened(scene.dsm))
        _check_bands(scene, image)
        if (image.width, image.height) != (mask.width, mask.height):
            raise InvalidRaster(
                f"{scene.image} has {image.width} x {image.height} pixels but its mask {scene.mask} "
                f"{mask.width} x {mask.height}: they must be of the same size."
            )
        notes = () if dsm is None else _dsm_notes(image, dsm)
        files = [file for file in (image, mask, dsm) if file is not None]
        yield SceneReader(scene, image, mask, dsm, _transform(files), _crs(files, scene.crs), notes)


def _check_bands(scene: Scene, image: DatasetReader) -> None:
    wanted = len(scene.bands)
    has_alpha = image.count == wanted + 1 and image.colorinterp[-1] == ColorInterp.alpha
    if image.count != wanted and not has_alpha:
        raise InvalidRaster(
            f"{scene.image} has {image.count} bands, but {wanted} are expected ({', '.join(scene.bands)})."
        )


def _dsm_notes(image: DatasetReader, dsm: DatasetReader) -> tuple[str, ...]:
    rows, cols = image.height - dsm.height, image.width - dsm.width
    if max(abs(rows), abs(cols)) > MAX_DSM_GAP:
        raise InvalidRaster(
            f"{dsm.name} has {dsm.width} x {dsm.height} pixels but its image {image.name} "
            f"{image.width} x {image.height}: at most {MAX_DSM_GAP} rows or columns may differ."
        )
    gaps = [(gap, unit) for gap, unit in ((rows, "rows"), (cols, "columns")) if gap]
    return tuple(
        f"the surface model lacks {gap} {unit}: the edge is repeated"
        if gap > 0
        else f"the surface model has {-gap} {unit} more than the image: they are cut off"
        for gap, unit in gaps
    )


def _transform(files: list[DatasetReader]) -> Affine:
    """That of the image, or of the first other file that has one: world files often lie beside one of them only."""
    found = [file.transform for file in files if not file.transform.is_identity]
    return found[0] if found else Affine.identity()


def _crs(files: list[DatasetReader], fallback: str | None) -> CRS | None:
    found = [file.crs for file in files if file.crs]
    if found:
        return found[0]
    return None if fallback is None else parse_crs(fallback)


def _as_supported(image: Array) -> Array:
    """Types other than uint8, uint16 and float32 become float32."""
    return image if image.dtype in (np.uint8, np.uint16, np.float32) else image.astype(np.float32)


def _padded(dsm: DatasetReader, window: Window) -> NDArray[np.float32]:
    """The window of a surface model that may lack its last rows or columns: they repeat the edge."""
    height = min(window.height, max(dsm.height - window.row, 1))
    width = min(window.width, max(dsm.width - window.col, 1))
    row, col = min(window.row, dsm.height - height), min(window.col, dsm.width - width)
    pixels = read_bands(dsm, [1], Window(row, col, height, width), np.float32)
    gap = (0, window.height - height), (0, window.width - width)
    return np.pad(pixels, ((0, 0), *gap), mode="edge") if any(gap[0] + gap[1]) else pixels
