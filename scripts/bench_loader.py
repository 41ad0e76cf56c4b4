"""Time the way of tiles from disk to batches: reading, relabelling, augmentation, collation, workers.

    python scripts/bench_loader.py [--data-root tiles] [--workers 2] [--tiles 400] [--batch 8] [--rounds 3]

Without --data-root, tiles of 512 pixels that look like aerial imagery (structure plus noise) are written to a
temporary folder first. Prints JSON: tiles per second through the training loader with the given workers (median of the
rounds, after one that warms up), the processor time behind a tile in all processes together, and milliseconds per tile
for the parts of the work in one process.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from affine import Affine

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from saticl import __version__
from saticl.geo import raster
from saticl.geo.windows import Window
from saticl.tasks import Task, offline
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import Tile, read_index, write_index
from saticl.tiles.loaders import evaluation_loader, training_loader
from saticl.tiles.manifest import ClassEntry, Manifest, Statistics
from saticl.transforms.augment import Augment

SIZE = 512
COLOURS = ((255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0))


def build(root: Path, number: int) -> None:
    """Write `number` tiles with their index and manifest."""
    rng = np.random.default_rng(0)
    tiles = []
    for row in range(number):
        window, name = Window(row * SIZE, 0, SIZE, SIZE), f"tiles/scene/{row:05d}"
        image, mask = draw(rng)
        where = Affine(0.05, 0, 500000, 0, -0.05, 5800000 - row * SIZE * 0.05)
        raster.write(root / f"{name}_image.tif", image, where, None)
        raster.write(root / f"{name}_mask.tif", mask[None], where, None, colours=dict(enumerate(COLOURS)))
        counts = tuple(int(count) for count in np.bincount(mask.ravel(), minlength=len(COLOURS)))
        core = Window(0, 0, SIZE, SIZE)
        paths = f"{name}_image.tif", f"{name}_mask.tif"
        tiles.append(Tile(name, "scene", "scene", "train", window, core, *paths, None, counts, 0))
    write_index(root, tiles)
    Manifest(
        version=__version__, dataset="bench", protocols={}, bands=("red", "green", "blue"), dtype="uint8",
        classes=tuple(ClassEntry(name=str(label), colour=colour) for label, colour in enumerate(COLOURS)),
        statistics=Statistics(mean=(128.0,) * 3, std=(50.0,) * 3), tile_size=SIZE, overlap=0, options={}, scenes=(),
    ).save(root)  # fmt: skip


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An image [3, S, S] of smooth structure with noise, which lossless compression hardly shrinks, and a mask."""
    coarse = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    image = np.clip(smooth + rng.integers(-8, 9, smooth.shape), 0, 255).astype(np.uint8)
    mask = np.kron(rng.integers(0, len(COLOURS), (16, 16), dtype=np.uint8), np.ones((SIZE // 16,) * 2, np.uint8))
    return np.ascontiguousarray(image.transpose(2, 0, 1)), mask


def measure(root: Path, workers: int, batch: int, rounds: int) -> dict[str, object]:
    """All numbers of one prepared folder."""
    manifest, tiles = Manifest.load(root), read_index(root)
    classes = manifest.class_names
    table = Task(classes, offline(classes, manifest.background)).train_table()
    augment = Augment(manifest.tile_size, 0, manifest.statistics.mean)
    varied = TileDataset(root, tiles, table, manifest, augment=augment)
    plain = TileDataset(root, tiles, table, manifest, owned=True)
    training = training_loader(varied, batch, workers, seed=0)
    rates: list[float] = []
    before = cpu_seconds()
    for epoch in range(rounds + 1):
        training.go_to(epoch)
        started = time.perf_counter()
        seen = sum(len(item.image) for item in training)
        rates.append(seen / (time.perf_counter() - started))
    del training  # its workers end, and their time counts
    used = cpu_seconds() - before
    evaluation = evaluation_loader(plain, batch, workers)
    passes = [timed(lambda: sum(len(item.image) for item in evaluation)) for _ in range(rounds + 1)]
    image, mask = (raster.read(root / name) for name in (tiles[0].image, tiles[0].mask))
    view = np.ascontiguousarray(image.transpose(1, 2, 0)), table[mask[0]]
    cv2.setNumThreads(0)
    return {
        "training_tiles_per_s": round(statistics.median(rates[1:]), 1),
        "training_rounds": [round(rate, 1) for rate in rates],
        "training_cpu_ms_per_tile": round(1000 * used / (seen * (rounds + 1)), 3),
        "evaluation_tiles_per_s": round(len(tiles) / statistics.median(passes[1:]), 1),
        "ms_per_tile_one_process": {
            "read image": milliseconds(lambda i: raster.read(root / tiles[i % len(tiles)].image)),
            "read mask": milliseconds(lambda i: raster.read(root / tiles[i % len(tiles)].mask)),
            "augment": milliseconds(lambda i: augment(*view, (0, i))),
            "evaluation sample": milliseconds(lambda i: plain[i % len(tiles)]),
            "training sample": milliseconds(lambda i: varied[0, i]),
        },
        "tiles": len(tiles), "size": manifest.tile_size, "bands": len(manifest.bands), "batch": batch,
        "workers": workers, "cores": os.cpu_count(), "machine": platform.machine(),
    }  # fmt: skip


def cpu_seconds() -> float:
    """Processor time of this process and of the workers that have ended: the measure on a machine that others use."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def timed(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def milliseconds(run: Callable[[int], object], times: int = 100) -> float:
    """Median time of one call."""
    run(0)
    return round(1000 * statistics.median(timed(lambda i=i: run(i)) for i in range(times)), 3)  # type: ignore[misc]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tiles", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.data_root or Path(temporary)
        if arguments.data_root is None:
            build(root, arguments.tiles)
        print(json.dumps(measure(root, arguments.workers, arguments.batch, arguments.rounds), indent=2))


if __name__ == "__main__":
    main()
