"""A prepared folder of whole photographs: JPEG originals of odd sizes elsewhere, masks in PNG beside the index."""

from pathlib import Path

import numpy as np

from saticl.geo.windows import Window
from saticl.labels import IGNORE, Split
from saticl.tiles.index import Tile, write_index
from saticl.tiles.manifest import ClassEntry, Manifest, ProtocolEntry, SceneEntry, Statistics
from saticl.views import Views
from tests.raw import write_picture

CLASSES = ("cat", "dog", "sofa")
COLOURS = {0: (0, 0, 0), 1: (9, 0, 0), 2: (18, 0, 0), IGNORE: (224, 224, 192)}
SHAPES = ((75, 100), (100, 75), (67, 101), (75, 100), (40, 33), (100, 75), (67, 101), (75, 100))
"""Height and width of the photographs, twice over: eight for training, eight for testing."""


def write_originals(folder: Path, views: Views | None = None, root: str = "../photos") -> Manifest:
    """Write `folder/photos` and `folder/tiles`, the prepared folder that points at it."""
    rng = np.random.default_rng(3)
    tiles: list[Tile] = []
    for number, (height, width) in enumerate(SHAPES * 2):
        name, split = f"2007_{number:06d}", "train" if number < len(SHAPES) else "test"
        mask = rng.integers(0, len(CLASSES), (height // 16 + 1, width // 16 + 1), np.uint8).repeat(16, 0).repeat(16, 1)
        mask = mask[:height, :width].copy()
        mask[:2] = IGNORE
        write_picture(folder / "photos" / "JPEGImages" / f"{name}.jpg", np.stack([40 + 60 * (mask % 4)] * 3))
        write_picture(folder / "tiles" / "masks" / f"{name}.png", mask[None], COLOURS)
        tiles.append(tile(name, "train" if split == "train" else "test", mask))
    write_index(folder / "tiles", tiles)
    manifest = Manifest(
        version="0", dataset="photos", background=None, bands=("red", "green", "blue"), dtype="uint8",
        classes=tuple(ClassEntry(name=name, colour=(label, 0, 0)) for label, name in enumerate(CLASSES)),
        protocols={"2s": ProtocolEntry(steps=[["cat"], ["dog", "sofa"]])},
        statistics=Statistics(mean=(100.0,) * 3, std=(50.0,) * 3), tile_size=None, overlap=0,
        roots={"voc": root}, views=views or Views(symmetries="mirror", crop="scale"), options={},
        scenes=tuple(entry(one) for one in tiles),
    )  # fmt: skip
    manifest.save(folder / "tiles")
    return manifest


def tile(name: str, split: Split, mask: np.ndarray) -> Tile:
    """A whole photograph as a row of the index."""
    height, width = mask.shape
    return Tile(
        id=name, scene=name, group=name, split=split, window=Window(0, 0, height, width),
        core=Window(0, 0, height, width), image=f"voc:JPEGImages/{name}.jpg", mask=f"masks/{name}.png", dsm=None,
        counts=tuple(int((mask == label).sum()) for label in range(len(CLASSES))), ignored=int((mask == IGNORE).sum()),
    )  # fmt: skip


def entry(whole: Tile) -> SceneEntry:
    """The manifest's entry of a photograph."""
    return SceneEntry(
        id=whole.scene, group=whole.group, split=whole.split, height=whole.window.height, width=whole.window.width,
        tiles=1, counts=whole.counts, ignored=whole.ignored, inexact=0, residual=0, crs=None,
        transform=(1, 0, 0, 0, 1, 0),
    )  # fmt: skip
