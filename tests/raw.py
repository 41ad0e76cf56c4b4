"""Small raw imagery in the layouts of real downloads, defects included."""

import warnings
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from saticl.cutting.strips import strips
from saticl.datasets.base import Request
from saticl.datasets.isprs import COLOURS
from saticl.datasets.reader import open_scene
from saticl.geo.palette import encode
from saticl.geo.raster import write
from saticl.labels import Colour

HERE = Affine.identity()
COMPLETE_OR_NOT = Request(allow_missing=True)


def labels(height: int, width: int, seed: int = 0, classes: int = 6) -> NDArray[np.uint8]:
    """Patches of 8 pixels, every class somewhere."""
    generator = np.random.default_rng(seed)
    coarse = generator.permuted(np.arange((height // 8 + 1) * (width // 8 + 1)) % classes)
    patches = coarse.reshape(height // 8 + 1, width // 8 + 1).astype(np.uint8)
    return np.kron(patches, np.ones((8, 8), np.uint8))[:height, :width]


def picture(height: int, width: int, bands: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (bands, height, width), np.uint8)


def world_file(path: Path, row: int, col: int, size_m: float = 0.05) -> None:
    """A .tfw beside a raster: the centre of its first pixel, 300 m per scene."""
    x, y = 366_676 + 300 * col, 5_808_345 - 300 * row
    lines = (size_m, 0, 0, -size_m, x + size_m / 2, y - size_m / 2)
    path.with_suffix(".tfw").write_text("".join(f"{value}\n" for value in lines))


def transform_of(row: int, col: int) -> Affine:
    return Affine(0.05, 0, 366_676 + 300 * col, 0, -0.05, 5_808_345 - 300 * row)


def potsdam_scene(
    root: Path, row: int, col: int, height: int = 90, width: int = 100, dsm_width: int | None = None
) -> None:
    """One scene under the official names, georeferenced by world files only."""
    name, seed = f"top_potsdam_{row}_{col}", 100 * row + col
    mask = labels(height, width, seed)
    for folder, ending, bands in (
        ("2_Ortho_RGB", "RGB", 3),
        ("3_Ortho_IRRG", "IRRG", 3),
        ("4_Ortho_RGBIR", "RGBIR", 4),
    ):
        path = root / folder / f"{name}_{ending}.tif"
        write(path, picture(height, width, bands, seed + bands), HERE, None)
        world_file(path, row, col)
    write(root / "5_Labels_all" / f"{name}_label.tif", encode(mask, COLOURS), HERE, None)
    eroded = mask.copy()
    eroded[::8] = 255
    write(root / "5_Labels_all_noBoundary" / f"{name}_label_noBoundary.tif", encode(eroded, COLOURS), HERE, None)
    heights = np.linspace(30, 60, height * (dsm_width or width), dtype=np.float32).reshape(1, height, -1)
    write(root / "1_DSM" / f"dsm_potsdam_{row:02d}_{col:02d}.tif", heights, HERE, None)


def vaihingen_scene(root: Path, area: int, height: int = 70, width: int = 60) -> None:
    """One scene under the official names: image and label are called the same."""
    mask = labels(height, width, area)
    write(root / "top" / f"top_mosaic_09cm_area{area}.tif", picture(height, width, 3, area), HERE, None)
    write(root / "gts_for_participants" / f"top_mosaic_09cm_area{area}.tif", encode(mask, COLOURS), HERE, None)
    eroded = root / "gts_eroded_for_participants" / f"top_mosaic_09cm_area{area}_noBoundary.tif"
    write(eroded, encode(np.where(mask == 1, 255, mask).astype(np.uint8), COLOURS), HERE, None)
    write(root / "dsm" / f"dsm_09cm_matching_area{area}.tif", np.full((1, height, width), 270, np.float32), HERE, None)


def write_picture(path: Path, pixels: NDArray[np.uint8], colours: dict[int, Colour] | None = None) -> None:
    """A PNG or JPEG by the suffix, with a palette where colours are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = pixels.shape
    profile = {"count": bands, "height": height, "width": width, "dtype": "uint8"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="JPEG" if path.suffix == ".jpg" else "PNG", **profile) as target:
            target.write(pixels)
            if colours is not None:
                target.write_colormap(1, colours)


def whole(scene: object, size: int = 64, overlap: int = 16) -> tuple[NDArray, NDArray | None, NDArray]:
    """A scene read strip by strip and put together again: image, surface model, labels."""
    with open_scene(scene) as reader:  # type: ignore[arg-type]
        fresh = [strip.fresh.layers for strip in strips(reader, size, overlap)]
        dsm = None if fresh[0].dsm is None else np.concatenate([layers.dsm for layers in fresh], axis=1)
        image = np.concatenate([layers.image for layers in fresh], axis=1)
        return image, dsm, np.concatenate([layers.mask for layers in fresh])
