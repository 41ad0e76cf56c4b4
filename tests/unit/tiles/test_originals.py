"""Tiles that are whole photographs: each of its own shape, and read where it lies."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from affine import Affine

from saticl.errors import InvalidRaster, MissingTiles
from saticl.geo import raster
from saticl.labels import IGNORE
from saticl.tasks import Task, offline
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import Tile, read_index, write_index
from saticl.tiles.loaders import by_shape, evaluation_loader, training_loader
from saticl.tiles.manifest import Manifest
from saticl.transforms.augment import Augment
from saticl.views import Views
from tests.originals import CLASSES, SHAPES, write_originals
from tests.prepared import write_prepared
from tests.raw import write_picture

TABLE = Task(CLASSES, offline(CLASSES)).eval_table()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_originals(tmp_path)
    return tmp_path


def open_dataset(folder: Path, tiles: list[Tile] | None = None, **options: object) -> TileDataset:
    root = folder / "tiles"
    chosen = read_index(root) if tiles is None else tiles
    return TileDataset(root, chosen, TABLE, Manifest.load(root), **options)  # type: ignore[arg-type]


def test_a_photograph_keeps_its_shape_and_its_pixels(folder: Path) -> None:
    dataset = open_dataset(folder, owned=True)

    for number, shape in enumerate(SHAPES):
        image, target, _ = dataset[number]
        name = f"2007_{number:06d}"
        assert dataset.shape(number) == image.shape[1:] == target.shape == shape
        assert np.array_equal(image.numpy(), raster.read(folder / "photos" / "JPEGImages" / f"{name}.jpg"))
        mask = raster.read(folder / "tiles" / "masks" / f"{name}.png")[0]
        assert np.array_equal(target.numpy(), TABLE[mask])


def test_originals_may_move_where_the_manifest_says_so(folder: Path) -> None:
    before = open_dataset(folder)[3].image
    (folder / "photos").rename(folder / "elsewhere")

    with pytest.raises(
        InvalidRaster, match=r"photos/JPEGImages/2007_000003\.jpg is missing or damaged .* copy it again"
    ):
        open_dataset(folder)[3]
    moved = Manifest.load(folder / "tiles").model_copy(update={"roots": {"voc": str(folder / "elsewhere")}})
    moved.save(folder / "tiles")
    assert torch.equal(open_dataset(folder)[3].image, before)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../photos/a.jpg", "outside its folder"),
        ("voc:../secret.jpg", "outside its folder"),
        ("voc:JPEGImages/../../a.jpg", "outside its folder"),
        ("/etc/passwd", "outside its folder"),
        ("voc:/etc/passwd", "outside its folder"),
        ("coco:a.jpg", r"no root 'coco' \(it has voc\)"),
    ],
)
def test_files_outside_the_roots_are_refused(folder: Path, name: str, words: str) -> None:
    (first, *_) = read_index(folder / "tiles")

    with pytest.raises(MissingTiles, match=words):
        open_dataset(folder, [replace(first, image=name)])[0]


def test_names_below_a_root_may_have_colons(folder: Path) -> None:
    manifest = Manifest.load(folder / "tiles")

    assert manifest.locate(Path("tiles"), "voc:a/b:c.jpg") == Path("tiles/../photos/a/b:c.jpg")
    assert manifest.locate(Path("tiles"), "a/b.tif") == Path("tiles/a/b.tif")


def test_a_truncated_photograph_is_an_error_and_not_grey(folder: Path) -> None:
    path = folder / "photos" / "JPEGImages" / "2007_000000.jpg"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(InvalidRaster, match=r"2007_000000\.jpg is missing or damaged .* copy it again"):
        open_dataset(folder)[0]


def test_a_photograph_of_other_bands_and_a_mask_of_colours_are_refused(folder: Path) -> None:
    (first, second, *_) = read_index(folder / "tiles")
    write_picture(folder / "photos" / "JPEGImages" / "2007_000000.jpg", np.zeros((1, *SHAPES[0]), np.uint8))
    write_picture(folder / "tiles" / "masks" / "2007_000001.png", np.zeros((3, *SHAPES[1]), np.uint8))

    with pytest.raises(InvalidRaster, match=r"000000\.jpg holds 1 bands of uint8, but 3 of uint8 are expected"):
        open_dataset(folder, [first])[0]
    with pytest.raises(InvalidRaster, match=r"000001\.png holds 3 bands of uint8, but the mask of a tile is one band"):
        open_dataset(folder, [second])[0]


def test_a_photograph_of_another_type_is_refused(folder: Path) -> None:
    path = folder / "photos" / "JPEGImages" / "2007_000000.jpg"
    raster.write(path, np.zeros((3, *SHAPES[0]), np.uint16), Affine.identity(), None)

    with pytest.raises(InvalidRaster, match=r"holds 3 bands of uint16, but 3 of uint8 are expected"):
        open_dataset(folder)[0]


def test_a_tile_without_a_mask_is_ignored_everywhere(folder: Path) -> None:
    (first, *_) = read_index(folder / "tiles")
    unlabelled = replace(first, mask=None, counts=(0, 0, 0), ignored=75 * 100)
    write_index(folder / "tiles", [unlabelled])

    image, target, _ = open_dataset(folder)[0]

    assert read_index(folder / "tiles") == [unlabelled]
    assert torch.equal(image, open_dataset(folder, [first])[0].image)
    assert target.shape == SHAPES[0]
    assert (target == IGNORE).all()


def test_evaluation_batches_hold_one_shape_and_are_full_where_tiles_are_sorted(folder: Path) -> None:
    manifest = Manifest.load(folder / "tiles")
    given = read_index(folder / "tiles")
    dataset = open_dataset(folder, by_shape(given, manifest))

    batches = list(evaluation_loader(dataset, 4, 0))

    assert sorted(tile.id for tile in dataset.tiles) == [tile.id for tile in given]
    assert [tuple(batch.image.shape) for batch in batches] == [
        (2, 3, 40, 33),
        (4, 3, 67, 101),
        (4, 3, 75, 100),
        (2, 3, 75, 100),
        (4, 3, 100, 75),
    ]
    together = [image for batch in batches for image in batch.image]
    assert all(torch.equal(image, sample.image) for image, sample in zip(together, dataset, strict=True)), "in order"


def test_an_unsorted_folder_keeps_its_order_in_smaller_batches(folder: Path) -> None:
    dataset = open_dataset(folder)

    batches = list(evaluation_loader(dataset, 4, 0))

    assert [len(batch.image) for batch in batches] == [*[1] * 7, 2, *[1] * 7]
    together = [image for batch in batches for image in batch.image]
    assert all(torch.equal(image, sample.image) for image, sample in zip(together, dataset, strict=True))


@pytest.mark.parametrize("world", [2, 3, 5])
def test_any_number_of_processes_sees_every_photograph_once_and_alike(folder: Path, world: int) -> None:
    dataset = open_dataset(folder, by_shape(read_index(folder / "tiles"), Manifest.load(folder / "tiles")))
    alone = {image.numpy().tobytes() for batch in evaluation_loader(dataset, 4, 0) for image in batch.image}
    assert len(alone) == len(SHAPES) * 2

    seen = [
        image.numpy().tobytes()
        for rank in range(world)
        for batch in evaluation_loader(dataset, 4, 0, rank, world)
        for image in batch.image
    ]

    assert len(seen) == len(alone)
    assert set(seen) == alone


def test_tiles_of_a_fixed_size_are_batched_in_the_order_given(tmp_path: Path) -> None:
    manifest = write_prepared(tmp_path, size=128)
    tiles = read_index(tmp_path)
    shuffled = [replace(tile, window=replace(tile.window, row=row)) for row, tile in enumerate(reversed(tiles))]

    assert by_shape(shuffled, manifest) == shuffled


@pytest.mark.parametrize("crop", ["scale", "enlarge"])
def test_training_crops_are_squares_whatever_the_photograph(folder: Path, crop: str) -> None:
    views = Views.model_validate({"symmetries": "mirror", "crop": crop})
    dataset = open_dataset(folder, augment=Augment(64, 1, (100.0,) * 3, views=views))

    batches = list(training_loader(dataset, 4, 0, seed=0))

    assert [tuple(batch.image.shape) for batch in batches] == [(4, 3, 64, 64)] * 4
    assert all((batch.target != IGNORE).any() for batch in batches)


def test_an_enlarging_crop_of_a_small_photograph_repeats_its_edge_and_ignores_it(folder: Path) -> None:
    dataset = open_dataset(folder, augment=Augment(64, 1, (100.0,) * 3, views=Views(symmetries="none")))
    small = SHAPES.index((40, 33))

    assert dataset.shape(small) == (64, 64)
    assert dataset.shape(0) == (75, 100)
    views = [dataset[epoch, small] for epoch in range(20)]
    assert all(sample.image.shape == (3, 64, 64) for sample in views)
    assert any((sample.target[-1] == IGNORE).all() for sample in views)
