"""Speed and memory of `predict` on synthetic rasters; prints a table and JSON.

    python scripts/bench_predict.py [--size 3000] [--encoder resnet34] [--heights 5000 20000 --width 20000]

The time of a map is compared, in turn, with that of the network alone on the same windows. Peak memory is measured in
processes of their own, on rasters of one width and several heights, with a small network, because only the raster's
share is asked for. Last, how many pixels of a crop get another class than in the whole raster.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.transform import from_origin
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from saticl.engine.checkpoint import save_model
from saticl.geo.windows import grid
from saticl.inference.maps import Wanted
from saticl.inference.predictor import Predictor
from saticl.inference.sliding import Tiling
from saticl.models.segmenter import Segmenter
from saticl.options import ModelOptions
from saticl.runs.folder import MODEL_FILE
from saticl.runs.step import StepInfo

TILING = Tiling()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=3000, help="side of the raster whose time is measured")
    parser.add_argument("--encoder", default="resnet34")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--width", type=int, default=20000)
    parser.add_argument("--heights", type=int, nargs="*", default=[5000, 20000])
    parser.add_argument("--run", type=Path, help="a trained run, for the comparison of a crop with the whole")
    parser.add_argument("--image", type=Path, help="an image for it")
    options = parser.parse_args()
    result: dict[str, object] = {"encoder": options.encoder, "size": options.size, "threads": torch.get_num_threads()}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        result |= speed(root, options.size, options.encoder, options.repeats)
        result["peak_mb"] = {
            f"{options.width} x {height}": peak_of(root, options.width, height) for height in options.heights
        }
    if options.run is not None and options.image is not None:
        result["share_of_pixels_that_differ_in_a_crop"] = difference(options.run, options.image)
    print(json.dumps(result, indent=1))


def speed(root: Path, size: int, encoder: str, repeats: int) -> dict[str, object]:
    """Best seconds of a map and of the network alone on its windows, taken in turn."""
    predictor, image = Predictor.open(untrained(root / encoder, encoder)), draw(root / "image.tif", size, size)
    windows = [torch.zeros(TILING.batch_size, 3, TILING.size, TILING.size, dtype=torch.uint8)]
    number = len(grid(size, size, TILING.size, TILING.overlap))
    maps, bare = [], []
    for repeat in range(repeats):
        start = time.perf_counter()
        predictor.scene(image, root / f"map{repeat}.tif", Wanted(TILING))
        maps.append(time.perf_counter() - start)
        start = time.perf_counter()
        with predictor.applied() as network:
            for _ in range(number // TILING.batch_size):
                network(windows[0])
            if number % TILING.batch_size:
                network(windows[0][: number % TILING.batch_size])
        bare.append(time.perf_counter() - start)
    return {
        "windows": number,
        "map_seconds": [round(value, 2) for value in maps],
        "network_seconds": [round(value, 2) for value in bare],
        "ratio": round(min(maps) / min(bare), 3),
    }


def peak_of(root: Path, width: int, height: int) -> object:
    """Peak memory of mapping a raster, which was drawn by another process."""
    image = alone(draw, root / f"{height}.tif", width, height)
    return alone(peak, root, image)


def peak(root: Path, image: Path) -> int:
    """Megabytes of memory at most, of this process when it maps one raster."""
    predictor = Predictor.open(untrained(root / "small", "test_resnet"))
    predictor.scene(image, image.with_name(f"{image.stem}_map.tif"), Wanted(TILING))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def alone(work: object, *arguments: object) -> object:
    """The result of a function in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as one:
        return one.submit(work, *arguments).result()  # type: ignore[arg-type]


def difference(run: Path, image: Path) -> float:
    """Share of the pixels of a crop, away from its edges, whose class differs from that in the whole image."""
    predictor = Predictor.open(run)
    with rasterio.open(image) as source:
        pixels = source.read(range(1, len(predictor.bands) + 1))
    height, width = pixels.shape[1:]
    top, left, overlap = height // 5 + 7, width // 5 + 3, TILING.overlap
    crop = predictor(pixels[:, top : height - top, left : width - left], None, TILING)
    whole = predictor(pixels, None, TILING)[top : height - top, left : width - left]
    inside = slice(overlap, -overlap)
    return float((crop[inside, inside] != whole[inside, inside]).mean())


def untrained(folder: Path, encoder: str) -> Path:
    """The step of a network with random weights and six classes."""
    classes = ("a", "b", "c", "d", "e", "f")
    about = StepInfo(
        version="0", dataset="bench", classes=classes, colours=tuple((40 * k, 0, 0) for k in range(6)),
        protocol_name="offline", groups=(classes,), background=None, step=0, method="ft",
        model=ModelOptions(encoder=encoder), bands=("red", "green", "blue"), mean=(120.0,) * 3, std=(50.0,) * 3,
        image_size=512, precision="no",
    )  # fmt: skip
    if not (folder / MODEL_FILE).exists():
        network = Segmenter(about.model, 3, about.task.head_sizes, about.image_size)
        save_model(folder / MODEL_FILE, network.state_dict(), about)
    return folder


def draw(path: Path, width: int, height: int) -> Path:
    """A tiled raster of noise over large shapes, written block by block."""
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 3, "dtype": "uint8", "tiled": True}
    profile |= {"compress": "ZSTD", "zstd_level": 1, "bigtiff": "IF_SAFER", "crs": "EPSG:32633"}
    rng = np.random.default_rng(0)
    with rasterio.open(path, "w", transform=from_origin(5e5, 58e5, 0.1, 0.1), **profile) as target:
        for top in range(0, height, 512):
            rows = min(512, height - top)
            coarse = rng.integers(0, 200, (3, -(-rows // 64), -(-width // 64)))
            block = np.kron(coarse, np.ones((1, 64, 64)))[:, :rows, :width] + rng.integers(0, 50, (3, rows, width))
            target.write(block.astype(np.uint8), window=Window(0, top, width, rows))
    return path


if __name__ == "__main__":
    main()
