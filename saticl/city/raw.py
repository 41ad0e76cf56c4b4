"""Synthetic scenes as files: the names, folders, bands and colours of the official downloads of Potsdam and Vaihingen.

Unlike the official files, these also name their coordinate system.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS

from saticl.city import City, resolution
from saticl.city.canvas import Array
from saticl.datasets import potsdam, vaihingen
from saticl.datasets.isprs import COLOURS, Kind
from saticl.errors import InvalidOptions
from saticl.files import replacing, write_atomically

LayoutName = Literal["potsdam", "vaihingen"]

BOUNDARY = 3
"""Radius in pixels of the disc that the official labels without boundaries were eroded with."""
BANDS: dict[Kind, list[int]] = {"rgb": [0, 1, 2], "irrg": [3, 0, 1], "rgbir": [0, 1, 2, 3]}


@dataclass(frozen=True)
class Layout:
    """Where the files of a scene lie, and where its scenes lie on the Earth."""

    title: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    files: dict[str, Kind]
    """What each file holds; names with {row}, {col} (Potsdam) or {area} (Vaihingen)."""
    epsg: int
    origin: tuple[float, float]
    """Easting and northing of the upper left corner of row 0, column 0."""

    def scenes(self, count: int) -> list[str]:
        """Official ids, about a third of them test scenes; raises InvalidOptions for more than there are."""
        most = len(self.train) + len(self.test)
        if count > most:
            raise InvalidOptions(f"{self.title} has {most} scenes: choose --scenes from 2 to {most}, not {count}.")
        tests = max(1, min(round(count / 3), len(self.test)), count - len(self.train))
        return [*self.train[: count - tests], *self.test[:tests]]

    def paths(self, scene: str) -> dict[str, Kind]:
        """What each file of a scene holds, by its path below the root."""
        row, col = _place(scene)
        return {name.format(row=row, col=col, area=scene): kind for name, kind in self.files.items()}

    def transform(self, scene: str, size: int) -> Affine:
        """Pixels of a scene to metres of the coordinate system: scenes that are neighbours by id touch."""
        metres = resolution(size)
        row, col = _place(scene)
        easting, northing = self.origin
        return Affine(metres, 0, easting + col * size * metres, 0, -metres, northing - row * size * metres)


def _place(scene: str) -> tuple[int, int]:
    """Row and column of a scene: Potsdam's id, or six areas of Vaihingen to a row."""
    row, _, col = scene.partition("_")
    return (int(row), int(col)) if col else divmod(int(row), 6)


def _near_corner(scene: str) -> tuple[int, int, int]:
    """Orders the scenes of Potsdam so that any number of them forms a compact patch."""
    row, col = _place(scene)
    return max(row - 2, abs(col - 10)), row, col


LAYOUTS: dict[LayoutName, Layout] = {
    "potsdam": Layout(
        title="Potsdam",
        train=tuple(sorted(potsdam.TRAIN, key=_near_corner)),
        test=tuple(sorted(potsdam.TEST, key=_near_corner)),
        files={
            "2_Ortho_RGB/top_potsdam_{row}_{col}_RGB.tif": "rgb",
            "3_Ortho_IRRG/top_potsdam_{row}_{col}_IRRG.tif": "irrg",
            "4_Ortho_RGBIR/top_potsdam_{row}_{col}_RGBIR.tif": "rgbir",
            "5_Labels_all/top_potsdam_{row}_{col}_label.tif": "full",
            "5_Labels_all_noBoundary/top_potsdam_{row}_{col}_label_noBoundary.tif": "eroded",
            "1_DSM/dsm_potsdam_{row:02}_{col:02}.tif": "dsm",
        },
        epsg=32633,
        origin=(366000.0, 5810000.0),
    ),
    "vaihingen": Layout(
        title="Vaihingen",
        train=tuple(str(area) for area in vaihingen.TRAIN),
        test=tuple(str(area) for area in vaihingen.TEST),
        files={
            "top/top_mosaic_09cm_area{area}.tif": "irrg",
            "ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE/top_mosaic_09cm_area{area}.tif": "full",
            "ISPRS_semantic_labeling_Vaihingen_ground_truth_eroded_COMPLETE/"
            "top_mosaic_09cm_area{area}_noBoundary.tif": "eroded",
            "dsm/dsm_09cm_matching_area{area}.tif": "dsm",
        },
        epsg=32632,
        origin=(496000.0, 5420000.0),
    ),
}
"""All layouts by name."""


def world_file(path: Path) -> Path:
    """The file beside a TIFF that says where it lies."""
    return path.with_suffix(".tfw")


def write_scene(root: Path, layout: Layout, scene: str, city: City) -> None:
    """Write all files of a scene, each with its world file."""
    transform = layout.transform(scene, len(city.label))
    for name, kind in layout.paths(scene).items():
        _write(root / name, pixels(city, kind), transform, layout.epsg)
        write_atomically(world_file(root / name), _world(transform))


def pixels(city: City, kind: Kind) -> Array:
    """What a file of that kind holds, [C, S, S]."""
    if kind == "dsm":
        return city.dsm[None]
    if kind in BANDS:
        return np.ascontiguousarray(city.image[..., BANDS[kind]].transpose(2, 0, 1))
    colours = np.array([*COLOURS, (0, 0, 0)], np.uint8)
    label = without_boundaries(city.label, len(COLOURS)) if kind == "eroded" else city.label
    return np.ascontiguousarray(colours[label].transpose(2, 0, 1))


def without_boundaries(label: Array, boundary: int) -> Array:
    """The labels [S, S] uint8, with `boundary` wherever another class is within 3 pixels."""
    down, right = np.ogrid[-BOUNDARY : BOUNDARY + 1, -BOUNDARY : BOUNDARY + 1]
    disc = (down**2 + right**2 <= BOUNDARY**2).astype(np.uint8)
    return np.where(cv2.dilate(label, disc) == cv2.erode(label, disc), label, np.uint8(boundary))


def _write(path: Path, bands: Array, transform: Affine, epsg: int) -> None:
    count, height, width = bands.shape
    profile = {"count": count, "height": height, "width": width, "dtype": bands.dtype, "compress": "deflate"}
    predictor = 3 if bands.dtype.kind == "f" else 2
    with (
        replacing(path) as temporary,
        rasterio.open(
            temporary,
            "w",
            "GTiff",
            transform=transform,
            crs=CRS.from_epsg(epsg),
            zlevel=1,
            predictor=predictor,
            **profile,
        ) as target,
    ):
        target.write(bands)


def _world(transform: Affine) -> str:
    """The six lines of a world file, which counts from the centre of the first pixel."""
    x, y = transform @ (0.5, 0.5)
    values = (transform.a, transform.d, transform.b, transform.e, x, y)
    return "".join(f"{value:.10f}\n" for value in values)
