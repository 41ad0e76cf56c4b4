"""One scene to tiles: the unit of work of `prepare`, run in this process or in another.

Tiles are written to a folder of another name, which is renamed when the scene is complete; the part file follows
last, and its presence says that the scene is done.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saticl.cutting.strips import Cell, Strip, crop, strips
from saticl.datasets.base import Scene
from saticl.datasets.reader import Reading, SceneReader, open_scene
from saticl.files import write_json
from saticl.geo import raster
from saticl.geo.statistics import BandSums, label_counts
from saticl.geo.windows import grid
from saticl.labels import IGNORE, Colour
from saticl.tiles.index import Tile, tile_to_dict

OnRows = Callable[[str, int, float], None]
"""Told, after each row of tiles: the scene, how many tiles were written, and their share of the scene."""


@dataclass(frozen=True)
class Recipe:
    """What is done with every scene."""

    root: Path
    tile_size: int
    overlap: int
    colours: tuple[Colour, ...]
    options: dict[str, str | int | bool | None]
    """What was asked for: kept in each part, so that parts of different options never mix."""

    def part(self, scene: str) -> Path:
        """The file whose presence says that a scene is complete."""
        return self.root / "parts" / f"{scene}.json"

    def is_done(self, scene: str) -> bool:
        """Whether a scene is cut."""
        return self.part(scene).exists() and (self.root / "tiles" / scene).is_dir()


@dataclass
class Tally:
    """What is counted while a scene is cut, every pixel once."""

    counts: NDArray[np.int64]
    inexact: int = 0
    residual: int = 0

    def add(self, pixels: Reading) -> BandSums:
        """Count labels and defects; returns the sums over the bands."""
        layers = pixels.layers
        self.counts += label_counts(layers.mask, len(self.counts))
        self.inexact += 0 if pixels.inexact is None else int(np.count_nonzero(pixels.inexact))
        self.residual += 0 if pixels.unknown is None else int(np.count_nonzero(pixels.unknown))
        bands = [*layers.image, *([] if layers.dsm is None else layers.dsm)]
        return BandSums.of(bands, None if pixels.invalid is None else ~pixels.invalid)


def cut_scene(scene: Scene, recipe: Recipe, report: OnRows) -> None:
    """Cut one scene and write its part file; raises InvalidRaster, and then leaves no tile behind."""
    final = recipe.root / "tiles" / scene.id
    partial = final.with_name(f".{scene.id}.{os.getpid()}")
    try:
        with raster.environment(), open_scene(scene) as reader:
            part = _cut(reader, partial, recipe, report)
        shutil.rmtree(final, ignore_errors=True)  # of a run that was killed before it wrote the part
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    write_json(recipe.part(scene.id), {"options": recipe.options} | part)


def _cut(reader: SceneReader, folder: Path, recipe: Recipe, report: OnRows) -> dict[str, Any]:
    total = len(grid(reader.height, reader.width, recipe.tile_size, recipe.overlap))
    tally = Tally(np.zeros(len(recipe.colours), np.int64))
    tiles: list[Tile] = []
    sums: list[BandSums] = []
    dtype = ""
    for strip in strips(reader, recipe.tile_size, recipe.overlap):
        sums.append(tally.add(strip.fresh))
        tiles += [_write_tile(cell, strip, reader, folder, recipe) for cell in strip.cells]
        dtype = str(strip.layers.image.dtype)
        report(reader.scene.id, len(strip.cells), len(strip.cells) / total)
    tiles.sort(key=lambda tile: (tile.window.row, tile.window.col))
    return {
        "scene": _facts(reader, total, tally),
        "bands": [*reader.scene.bands, *([] if reader.dsm is None else ["dsm"])],
        "dtype": dtype,
        "sums": asdict(reduce(add, sums)),
        "tiles": [tile_to_dict(tile) for tile in tiles],
    }


def _write_tile(cell: Cell, strip: Strip, reader: SceneReader, folder: Path, recipe: Recipe) -> Tile:
    window, scene = cell.window, reader.scene
    layers = crop(strip.layers, window.relative_to(strip.frame))
    place = raster.shifted(reader.transform, window.row, window.col), reader.crs
    name = f"{window.row:05d}_{window.col:05d}"
    raster.write(folder / f"{name}_image.tif", layers.image, *place)
    raster.write(folder / f"{name}_mask.tif", layers.mask[None], *place, IGNORE, dict(enumerate(recipe.colours)))
    if layers.dsm is not None:
        raster.write(folder / f"{name}_dsm.tif", layers.dsm, *place)
    stem = f"tiles/{scene.id}/{name}"
    counts = label_counts(layers.mask, len(recipe.colours))
    return Tile(
        id=f"{scene.id}/{name}",
        scene=scene.id,
        group=scene.group,
        split=scene.split,
        window=window,
        core=cell.core.relative_to(window),
        image=f"{stem}_image.tif",
        mask=f"{stem}_mask.tif",
        dsm=None if layers.dsm is None else f"{stem}_dsm.tif",
        counts=counts,
        ignored=layers.mask.size - sum(counts),
    )


def _facts(reader: SceneReader, tiles: int, tally: Tally) -> dict[str, Any]:
    """The manifest's entry of the scene, as plain values."""
    scene, labelled = reader.scene, int(tally.counts.sum())
    return {
        "id": scene.id,
        "group": scene.group,
        "split": scene.split,
        "height": reader.height,
        "width": reader.width,
        "tiles": tiles,
        "counts": tally.counts.tolist(),
        "ignored": reader.height * reader.width - labelled,
        "inexact": tally.inexact,
        "residual": tally.residual,
        "crs": None if reader.crs is None else reader.crs.to_string(),
        "transform": list(reader.transform)[:6],
        "notes": [*reader.notes, *([] if labelled else ["the mask holds no class: every pixel is ignored"])],
    }
