import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from saticl.errors import InvalidOptions, InvalidRaster
from saticl.geo import raster
from saticl.labels import IGNORE
from saticl.protocols import ISPRS, ISPRS_CLASSES
from saticl.tasks import Task
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import read_index
from saticl.tiles.manifest import Manifest
from saticl.transforms.augment import Augment
from tests.prepared import HEIGHT, SCENES, WIDTH, write_prepared

TASK = Task(ISPRS_CLASSES, next(one for one in ISPRS if one.name == "6s"), 2)


def open_dataset(root: Path, **options: object) -> TileDataset:
    return TileDataset(root, read_index(root), TASK.eval_table(), Manifest.load(root), **options)  # type: ignore[arg-type]


def test_a_tile_is_its_files_with_the_labels_of_the_task(tiny_tiles: Path) -> None:
    dataset = open_dataset(tiny_tiles)
    tile = dataset.tiles[1]

    image, target, _ = dataset[1]

    mask = raster.read(tiny_tiles / tile.mask)[0]
    assert image.dtype == target.dtype == torch.uint8
    assert np.array_equal(image.numpy(), raster.read(tiny_tiles / tile.image))
    assert np.array_equal(target.numpy(), TASK.eval_table()[mask])


def test_training_tiles_show_new_classes_background_and_ignored_pixels(tiny_tiles: Path) -> None:
    dataset = TileDataset(tiny_tiles, read_index(tiny_tiles), TASK.train_table(), Manifest.load(tiny_tiles))

    values = {int(value) for sample in dataset for value in sample.target.unique()}

    assert values == {0, IGNORE, *range(TASK.num_old, TASK.num_seen)}


def test_owned_pixels_cover_every_scene_exactly_once(tiny_tiles: Path) -> None:
    dataset = open_dataset(tiny_tiles, owned=True)
    known, everywhere = dict.fromkeys((scene[0] for scene in SCENES), 0), open_dataset(tiny_tiles)

    for tile, sample in zip(dataset.tiles, dataset, strict=True):
        known[tile.scene] += int((sample.target != IGNORE).sum())

    assert known == dict.fromkeys(known, HEIGHT * WIDTH - 10)  # ten pixels of each mask are ignored
    for ours, whole in zip(dataset, everywhere, strict=True):
        kept = ours.target != IGNORE
        assert torch.equal(ours.target[kept], whole.target[kept])
        assert torch.equal(ours.image, whole.image)


@pytest.mark.parametrize(
    ("bands", "dtype", "expected"),
    [
        (("red",), "uint8", torch.uint8),
        (("red", "green", "blue", "infrared"), "uint16", torch.float32),
        (("a", "b", "c", "d", "e", "f"), "float32", torch.float32),
        (("red", "green", "blue", "dsm"), "uint8", torch.float32),
    ],
)
@pytest.mark.parametrize("augmented", [False, True])
def test_any_bands_of_any_type_become_one_tensor(
    tmp_path: Path, bands: tuple[str, ...], dtype: str, expected: torch.dtype, augmented: bool
) -> None:
    manifest = write_prepared(tmp_path, bands, dtype)
    dataset = open_dataset(tmp_path, augment=Augment(32, 0, manifest.statistics.mean) if augmented else None)
    side = 32 if augmented else 64

    image, target, _ = dataset[0, 3]

    assert (image.shape, image.dtype) == ((len(bands), side, side), expected)
    assert (target.shape, target.dtype) == ((side, side), torch.uint8)
    assert image.stride(0) == 1, "channels last in memory"


def test_the_surface_model_is_the_last_band(tmp_path: Path) -> None:
    write_prepared(tmp_path, ("red", "green", "blue", "dsm"))
    dataset = open_dataset(tmp_path)

    image = dataset[2].image

    assert dataset.tiles[2].dsm is not None
    assert np.array_equal(image[3].numpy(), raster.read(tmp_path / dataset.tiles[2].dsm)[0])
    assert np.array_equal(image[:3].numpy(), raster.read(tmp_path / dataset.tiles[2].image))


def test_fewer_channels_are_the_first_bands(tmp_path: Path) -> None:
    write_prepared(tmp_path, ("red", "green", "blue", "infrared", "dsm"))

    image = open_dataset(tmp_path, channels=2)[0].image

    assert image.dtype == torch.uint8, "the surface model is not even read"
    assert torch.equal(image.float(), open_dataset(tmp_path)[0].image[:2])


def test_tiles_smaller_than_the_tile_size_are_padded_and_the_padding_is_ignored(tmp_path: Path) -> None:
    write_prepared(tmp_path, size=128)
    dataset, owned = open_dataset(tmp_path), open_dataset(tmp_path, owned=True)

    image, target, _ = dataset[0]

    assert image.shape == (3, 128, 128)
    assert torch.equal(image[:, HEIGHT:, :WIDTH], image[:, HEIGHT - 1 : HEIGHT, :WIDTH].expand(-1, 128 - HEIGHT, -1))
    assert torch.equal(image[:, :, WIDTH:], image[:, :, WIDTH - 1 : WIDTH].expand(-1, -1, 128 - WIDTH))
    assert (target[HEIGHT:] == IGNORE).all()
    assert (target[:, WIDTH:] == IGNORE).all()
    assert (target[:HEIGHT, :WIDTH] != IGNORE).sum() == HEIGHT * WIDTH - 10
    assert torch.equal(owned[0].target, target)


def test_views_depend_on_epoch_and_number_alone(tiny_tiles: Path) -> None:
    augment = Augment(48, 1, Manifest.load(tiny_tiles).statistics.mean)
    ours, theirs = open_dataset(tiny_tiles, augment=augment), open_dataset(tiny_tiles, augment=augment)

    views = {key: ours[key] for key in [(0, 0), (0, 1), (1, 0), (0, len(ours))]}

    assert all(torch.equal(theirs[key].image, view.image) for key, view in reversed(views.items()))
    assert len({view.image.numpy().tobytes() for view in views.values()}) == 4


def test_numbers_beyond_the_tiles_end_a_loop_but_wrap_around_in_views(tiny_tiles: Path) -> None:
    dataset = open_dataset(tiny_tiles)

    with pytest.raises(IndexError):
        dataset[len(dataset)]
    assert torch.equal(dataset[0, len(dataset) + 2].image, dataset[2].image)


def test_a_dataset_travels_to_worker_processes(tiny_tiles: Path) -> None:
    dataset = open_dataset(tiny_tiles, augment=Augment(64, 1, (0.0,) * 3))

    assert torch.equal(pickle.loads(pickle.dumps(dataset))[0, 1].image, dataset[0, 1].image)


@pytest.mark.parametrize("damage", ["missing", "truncated", "text"])
def test_a_damaged_tile_is_named(tmp_path: Path, damage: str) -> None:
    write_prepared(tmp_path)
    dataset = open_dataset(tmp_path)
    file = tmp_path / dataset.tiles[0].mask
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"not an image")

    with pytest.raises(InvalidRaster, match=file.name):
        dataset[0]


def test_a_tile_of_another_size_than_its_entry_is_named(tiny_tiles: Path) -> None:
    tiles = read_index(tiny_tiles)
    wrong = replace(tiles[0], window=replace(tiles[0].window, height=32))
    dataset = TileDataset(tiny_tiles, [wrong], TASK.eval_table(), Manifest.load(tiny_tiles))

    with pytest.raises(InvalidRaster, match=r"_image\.tif has 64 x 64 pixels, its entry in the index 64 x 32"):
        dataset[0]


def test_more_channels_than_bands_are_refused(tiny_tiles: Path) -> None:
    with pytest.raises(InvalidOptions, match=r"5 bands are asked for, but .* holds 3: red, green, blue"):
        open_dataset(tiny_tiles, channels=5)


def test_views_larger_than_the_tiles_are_refused(tiny_tiles: Path) -> None:
    with pytest.raises(InvalidOptions, match=r"--image-size 65 is larger than the tiles .*\(64 pixels\)"):
        open_dataset(tiny_tiles, augment=Augment(65, 0, (0.0,) * 3))
