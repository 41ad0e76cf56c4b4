"""What tests of other grids share: georeferenced scenes with masks of colours, and their description."""

from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from saticl.geo import raster
from saticl.geo.palette import encode
from saticl.labels import Colour

COLOURS: tuple[Colour, ...] = ((255, 0, 0), (128, 128, 128), (0, 0, 255))
UTM33 = raster.parse_crs("EPSG:32633")
CORNER = Affine(0.25, 0, 500_000, 0, -0.25, 5_800_000)

DESCRIPTION = """
images: "images/{name}.tif"
masks: "masks/{name}.tif"
bands: [red, green, blue]
classes: {roof: "#FF0000", street: "#808080", water: "#0000FF"}
"""


def patches(height: int, width: int, classes: int = 3, side: int = 12, seed: int = 0) -> NDArray[np.uint8]:
    """Labels in patches that no grid of tiles is aligned to."""
    shape = -(-height // side), -(-width // side)
    coarse = np.random.default_rng(seed).integers(0, classes, shape)
    return np.kron(coarse, np.ones((side, side)))[:height, :width].astype(np.uint8)


def picture(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image [3, H, W] whose classes have other grey values, with noise."""
    noise = np.random.default_rng(1).integers(0, 20, (3, *labels.shape))
    return (60 * labels + 20 + noise).astype(np.uint8)


def scene(root: Path, name: str = "north", height: int = 130, width: int = 170, transform: Affine = CORNER) -> Path:
    """An image of noise and a mask of colours, in UTM; returns the description beside them."""
    noise = np.random.default_rng(1).integers(1, 255, (3, height, width), np.uint8)
    raster.write(root / f"raw/images/{name}.tif", noise, transform, UTM33)
    raster.write(root / f"raw/masks/{name}.tif", encode(patches(height, width), COLOURS), transform, UTM33)
    (root / "own.yaml").write_text(DESCRIPTION)
    return root / "own.yaml"
