"""Small prepared folders, written the way `prepare` writes them but from invented pixels."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from affine import Affine

from saticl.geo import raster
from saticl.geo.windows import Window, cores, grid
from saticl.labels import IGNORE, UNLABELLED, Split
from saticl.protocol_files import protocol_to_dict
from saticl.protocols import ISPRS, ISPRS_CLASSES
from saticl.tiles.index import Tile, read_index, write_index
from saticl.tiles.manifest import DSM, ClassEntry, Manifest, ProtocolEntry, SceneEntry, Statistics

COLOURS = ((255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0))
HEIGHT, WIDTH = 96, 80
"""Extent of a scene: no multiple of anything, on purpose."""

SCENES: tuple[tuple[str, str, Split], ...] = (
    ("a_1", "a", "train"),
    ("a_2", "a", "train"),
    ("b_1", "b", "train"),
    ("c_1", "c", "train"),
    ("d_1", "d", "test"),
)
"""Name, group and split."""


def write_prepared(
    root: Path, bands: tuple[str, ...] = ("red", "green", "blue"), dtype: str = "uint8", size: int = 64
) -> Manifest:
    """Write tiles of every class, their index and their manifest; a last band named dsm gets a file of its own."""
    rng = np.random.default_rng(7)
    tiles: list[Tile] = []
    entries: list[SceneEntry] = []
    for scene, group, split in SCENES:
        image, dsm, mask = draw_scene(rng, len(bands) - (bands[-1] == DSM), dtype)
        cut = [
            write_tile(root, (scene, group, split), window, core, image, dsm if bands[-1] == DSM else None, mask)
            for window, core in zip(grid(HEIGHT, WIDTH, size, 16), cores(HEIGHT, WIDTH, size, 16), strict=True)
        ]
        tiles += cut
        entries.append(
            SceneEntry(
                id=scene,
                group=group,
                split=split,
                height=HEIGHT,
                width=WIDTH,
                tiles=len(cut),
                counts=count(mask),
                ignored=int((mask == IGNORE).sum()),
                inexact=0,
                residual=0,
                crs="EPSG:32633",
                transform=(1, 0, 0, 0, -1, 0),
            )
        )
    write_index(root, tiles)
    statistics = Statistics(mean=(100.0,) * len(bands), std=(50.0,) * len(bands))
    manifest = Manifest(
        version="0", dataset="potsdam", bands=bands, dtype=dtype, statistics=statistics, tile_size=size, overlap=16,
        classes=tuple(ClassEntry(name=name, colour=COLOURS[label]) for label, name in enumerate(ISPRS_CLASSES)),
        protocols={one.name: ProtocolEntry.model_validate(protocol_to_dict(one)) for one in ISPRS},
        options={}, scenes=tuple(entries),
    )  # fmt: skip
    manifest.save(root)
    return manifest


def draw_scene(rng: np.random.Generator, bands: int, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image [C, H, W], surface [1, H, W] and mask [H, W] with squares of all classes and a few ignored pixels."""
    squares = rng.permutation(np.resize(np.arange(len(ISPRS_CLASSES), dtype=np.uint8), 30)).reshape(6, 5)
    mask = np.kron(squares, np.ones((16, 16), np.uint8))
    mask[:2, :5] = IGNORE
    shades = 40 * mask.astype(np.int64) % 251
    image = (shades + rng.integers(0, 5, (bands, HEIGHT, WIDTH))).astype(dtype)
    return image, rng.random((1, HEIGHT, WIDTH), dtype=np.float32), mask


def write_tile(
    root: Path,
    scene: tuple[str, str, Split],
    window: Window,
    core: Window,
    image: np.ndarray,
    dsm: np.ndarray | None,
    mask: np.ndarray,
) -> Tile:
    """Write the files of one window and return its row of the index."""
    name = f"tiles/{scene[0]}/{window.row:05d}_{window.col:05d}"
    where = Affine(1, 0, window.col, 0, -1, -window.row)
    part = (..., *window.slices)
    labels = mask[window.slices]
    raster.write(root / f"{name}_image.tif", image[part], where, raster.parse_crs("EPSG:32633"))
    raster.write(root / f"{name}_mask.tif", labels[None], where, None, IGNORE, dict(enumerate(COLOURS)))
    if dsm is not None:
        raster.write(root / f"{name}_dsm.tif", dsm[part], where, None)
    return Tile(
        id=f"{scene[0]}/{window.row:05d}_{window.col:05d}", scene=scene[0], group=scene[1], split=scene[2],
        window=window, core=core.relative_to(window), image=f"{name}_image.tif", mask=f"{name}_mask.tif",
        dsm=None if dsm is None else f"{name}_dsm.tif", counts=count(labels), ignored=int((labels == IGNORE).sum()),
    )  # fmt: skip


def count(labels: np.ndarray) -> tuple[int, ...]:
    """Pixels per class."""
    return tuple(int((labels == label).sum()) for label in range(len(ISPRS_CLASSES)))


def write_relabelled(source: Path, root: Path, names: Sequence[str], dataset: str = "next_year") -> Manifest:
    """A prepared folder with the images of another, which knows these classes alone, in this order.

    Where no class of them is, nobody has drawn one.
    """
    shutil.copytree(source, root)
    manifest = Manifest.load(source)
    table = np.full(256, IGNORE, np.uint8)
    table[: len(manifest.classes)] = UNLABELLED
    for label, name in enumerate(names):
        table[manifest.class_names.index(name)] = label
    rows = []
    for tile in read_index(source):
        mask = table[raster.read(source / str(tile.mask))[0]]
        raster.write(root / str(tile.mask), mask[None], Affine.translation(tile.window.col, tile.window.row), None)
        rows.append(replace(tile, counts=tuple(int((mask == label).sum()) for label in range(len(names)))))
    write_index(root, rows)
    known = {entry.name: entry for entry in manifest.classes}
    scenes = tuple(
        scene.model_copy(update={"counts": tuple(scene.counts[manifest.class_names.index(name)] for name in names)})
        for scene in manifest.scenes
    )
    changes = {"dataset": dataset, "classes": tuple(known[name] for name in names), "protocols": {}, "scenes": scenes}
    changed = manifest.model_copy(update=changes)
    changed.save(root)
    return changed
