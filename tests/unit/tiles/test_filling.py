"""Pixels without data reach the network as the mean of their band."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from saticl.geo import raster
from saticl.tasks import Task
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import read_index
from saticl.tiles.manifest import Manifest
from saticl.transforms.augment import Augment
from saticl.transforms.normalize import Normalize
from tests.prepared import write_prepared
from tests.unit.tiles.test_dataset import TASK

MEAN, STD = (90.5, 100.0, 110.0, 284.0), (50.0, 50.0, 50.0, 14.0)


def blanked(root: Path, dtype: str = "uint8") -> Task:
    """A folder whose first tile holds no data in one corner: 0 in every band, and marked in the image's file."""
    bands = ("red", "green", "blue", "dsm")
    write_prepared(root, bands, dtype).model_copy(
        update={"statistics": Manifest.load(root).statistics.model_copy(update={"mean": MEAN, "std": STD})}
    ).save(root)
    tile = read_index(root)[0]
    for name in (tile.image, tile.dsm):
        assert name is not None
        with rasterio.open(root / name, "r+") as target:
            pixels = target.read()
            pixels[:, :20, :10] = 0
            target.write(pixels)
    valid = np.ones((64, 64), bool)
    valid[:20, :10] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(root / tile.image, "r+") as target:
        target.write_mask(valid)
    return TASK


def open_dataset(root: Path, **options: object) -> TileDataset:
    first, *others = read_index(root)
    tiles = [replace(first, invalid=200), *others]
    return TileDataset(root, tiles, TASK.eval_table(), Manifest.load(root), **options)  # type: ignore[arg-type]


def test_pixels_without_data_normalise_to_zero(tmp_path: Path) -> None:
    """A height of 0 m among 284 +- 14 m would be 20 deviations away."""
    blanked(tmp_path)

    normalised = Normalize(MEAN, STD)(open_dataset(tmp_path)[0].image)

    assert normalised[:, :20, :10].abs().max() <= 0.5 / 50 + 1e-6, "half a level of a byte"
    assert (normalised[3, :20, :10] == 0).all()


def test_pixels_with_data_stay_as_they_are(tmp_path: Path) -> None:
    blanked(tmp_path)
    tile = read_index(tmp_path)[0]

    image = open_dataset(tmp_path)[0].image

    untouched = torch.from_numpy(raster.read(tmp_path / tile.image)).float()
    assert torch.equal(image[:3, 20:], untouched[:, 20:])
    assert torch.equal(image[:3, :20, 10:], untouched[:, :20, 10:])


def test_the_fill_is_that_of_the_model_where_it_is_given(tmp_path: Path) -> None:
    blanked(tmp_path, "float32")

    image = open_dataset(tmp_path, fill=(1.5, 2.5, 3.5, 4.5))[0].image

    assert image[:, 3, 4].tolist() == [1.5, 2.5, 3.5, 4.5]


def test_fewer_bands_are_filled_too(tmp_path: Path) -> None:
    blanked(tmp_path)

    image = open_dataset(tmp_path, channels=2)[0].image

    assert image.dtype == torch.uint8
    assert image[:, 0, 0].tolist() == [90, 100]


def test_views_are_filled_before_they_are_turned(tmp_path: Path) -> None:
    blanked(tmp_path, "float32")
    dataset = open_dataset(tmp_path, augment=Augment(64, 0, MEAN))

    lows = [float(dataset[epoch, 0].image[3].min()) for epoch in range(20)]
    filled = [bool((dataset[epoch, 0].image[3] == 284).any()) for epoch in range(20)]

    assert min(lows) >= 0
    assert sum(filled) > 10


def test_only_tiles_that_say_so_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blanked(tmp_path)
    dataset = open_dataset(tmp_path)
    looked: list[Path] = []
    read_valid = raster.read_valid
    monkeypatch.setattr(raster, "read_valid", lambda path, _: looked.append(path) or read_valid(path))

    for number in range(len(dataset)):
        dataset[number]

    assert looked == [tmp_path / dataset.tiles[0].image]


def test_the_mask_of_a_file_is_read_and_a_file_without_one_is_valid_everywhere(tmp_path: Path) -> None:
    blanked(tmp_path)
    first, second, *_ = read_index(tmp_path)

    valid = raster.read_valid(tmp_path / first.image)

    assert valid.dtype == bool
    assert (~valid[:20, :10]).all()
    assert int((~valid).sum()) == 200
    assert raster.read_valid(tmp_path / second.image).all()
