import os
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saticl.errors import InvalidRaster, MissingRawData, alone
from saticl.tasks import Task, offline
from saticl.tiles.dataset import Sample, TileDataset
from saticl.tiles.index import read_index
from saticl.tiles.loaders import EpochBatches, evaluation_loader, training_loader, uninterrupted
from saticl.tiles.manifest import Manifest
from saticl.transforms.augment import Augment
from saticl.types import Batch
from tests.prepared import write_prepared

sizes, numbers, worlds, seeds = st.integers(1, 9), st.integers(1, 60), st.integers(1, 5), st.integers(0, 2**32)


class Numbered:
    """Stands for a dataset: the image of tile n is filled with n."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __len__(self) -> int:
        return self.number

    def shape(self, number: int) -> tuple[int, int]:
        return 2, 2

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        return Sample(torch.full((1, 2, 2), key[1], dtype=torch.uint8), torch.zeros(2, 2, dtype=torch.uint8))


def open_dataset(root: Path, seed: int = 3) -> TileDataset:
    manifest = Manifest.load(root)
    table = Task(manifest.class_names, offline(manifest.class_names)).train_table()
    return TileDataset(root, read_index(root), table, manifest, augment=Augment(48, seed, manifest.statistics.mean))


def epoch(batches: EpochBatches, number: int) -> list[list[tuple[int, int]]]:
    batches.epoch = number
    return list(batches)


@given(numbers, sizes, worlds, seeds, st.integers(0, 5))
def test_ranks_share_the_global_batches_of_one_process(
    tiles: int, batch: int, world: int, seed: int, number: int
) -> None:
    alone = epoch(EpochBatches(tiles, batch * world, seed), number)

    ranks = [epoch(EpochBatches(tiles, batch, seed, rank, world), number) for rank in range(world)]

    assert [list(chain(*parts)) for parts in zip(*ranks, strict=True)] == alone
    assert all(len(part) == batch for parts in ranks for part in parts)


@given(numbers, sizes, worlds, seeds)
def test_an_epoch_takes_every_tile_at_most_once_and_drops_less_than_a_batch(
    tiles: int, batch: int, world: int, seed: int
) -> None:
    whole = batch * world
    keys = [
        key
        for rank in range(world)
        for part in epoch(EpochBatches(tiles, batch, seed, rank, world), 0)
        for key in part
    ]

    assert len(set(keys)) == len(keys)
    if tiles >= whole:
        assert {number for _, number in keys} <= set(range(tiles))
        assert tiles - len(keys) < whole


@given(st.integers(1, 8), st.integers(2, 5), seeds)
def test_fewer_tiles_than_a_batch_are_repeated_evenly_to_fill_one(tiles: int, world: int, seed: int) -> None:
    batch = tiles  # so that a global batch is `world` times the tiles
    parts = [epoch(EpochBatches(tiles, batch, seed, rank, world), 0) for rank in range(world)]

    assert [len(part) for part in parts] == [1] * world
    used = [number % tiles for part in parts for _, number in part[0]]
    assert all(used.count(tile) == world for tile in range(tiles))


@given(numbers, sizes, worlds)
def test_the_length_is_the_number_of_batches(tiles: int, batch: int, world: int) -> None:
    batches = EpochBatches(tiles, batch, 0, world - 1, world)

    assert len(batches) == len(list(batches)) >= 1


def test_epochs_are_orders_of_their_own_and_can_be_repeated() -> None:
    batches = EpochBatches(64, 8, seed=1)
    first, second = epoch(batches, 0), epoch(batches, 1)

    assert [number for part in first for _, number in part] != [number for part in second for _, number in part]
    assert {at for part in second for at, _ in part} == {1}
    assert epoch(batches, 0) == first
    assert epoch(EpochBatches(64, 8, seed=2), 0) != first


@given(st.integers(0, 40), sizes, worlds)
def test_evaluation_sees_each_tile_exactly_once(tiles: int, batch: int, world: int) -> None:
    loaders = [evaluation_loader(cast(TileDataset, Numbered(tiles)), batch, 0, rank, world) for rank in range(world)]

    seen = [int(value) for loader in loaders for item in loader for value in item.image[:, 0, 0, 0]]

    assert sorted(seen) == list(range(tiles))


def everything(root: Path, workers: int, epochs: int = 2, **place: int) -> list[Batch]:
    loader = training_loader(open_dataset(root), 4, workers, 11, **place)
    collected = []
    for number in range(epochs):
        loader.go_to(number)
        collected += list(loader)
    return collected


def assert_equal(ours: list[Batch], theirs: list[Batch]) -> None:
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.target, other.target)


def test_workers_change_nothing_in_any_epoch(tiny_tiles: Path) -> None:
    """The library repeats itself in every worker and epoch unless seeded per view."""
    alone = everything(tiny_tiles, workers=0)

    assert_equal(everything(tiny_tiles, workers=1), alone)
    assert_equal(everything(tiny_tiles, workers=2), alone)


def test_no_view_occurs_twice_in_two_epochs_over_two_workers(tiny_tiles: Path) -> None:
    views = [image.numpy().tobytes() for batch in everything(tiny_tiles, workers=2) for image in batch.image]

    assert len(set(views)) == len(views)


def test_two_ranks_see_the_views_of_one(tiny_tiles: Path) -> None:
    dataset = open_dataset(tiny_tiles)
    alone = list(training_loader(dataset, 8, 0, 11))

    first, second = (list(training_loader(dataset, 4, 0, 11, rank, 2)) for rank in range(2))

    assert_equal(
        [
            Batch(*map(torch.cat, zip(*(part[:2] for part in pair), strict=True)))
            for pair in zip(first, second, strict=True)
        ],
        alone,
    )


def test_any_epoch_can_be_the_first(tiny_tiles: Path) -> None:
    resumed = training_loader(open_dataset(tiny_tiles), 4, 2, 11)
    resumed.go_to(1)
    batches = list(resumed)

    assert_equal(batches, everything(tiny_tiles, workers=0)[len(resumed) :])


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_can_be_continued_at_any_batch(workers: int, tiny_tiles: Path) -> None:
    resumed = training_loader(open_dataset(tiny_tiles), 4, workers, 11)
    whole = list(resumed)

    resumed.go_to(0, first=2)

    assert_equal(list(resumed), whole[2:])


def test_ranks_continue_an_epoch_with_the_batches_they_would_have_had() -> None:
    ranks = [EpochBatches(32, 4, 1, rank, 2) for rank in range(2)]
    whole = [list(batches) for batches in ranks]

    for batches in ranks:
        batches.first = 3

    assert [list(batches) for batches in ranks] == [part[3:] for part in whole]


def test_fewer_tiles_than_a_batch_show_a_new_view_at_every_repetition(tiny_tiles: Path) -> None:
    dataset = open_dataset(tiny_tiles)
    dataset.tiles = dataset.tiles[:3]

    (batch,) = list(training_loader(dataset, 8, 0, 0))

    assert batch.image.shape == (8, 3, 48, 48)
    assert len({image.numpy().tobytes() for image in batch.image}) == 8


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_bytes_with_channels_last(tiny_tiles: Path, workers: int) -> None:
    loader = training_loader(open_dataset(tiny_tiles), 4, workers, 0)

    batch = next(iter(loader))

    assert loader.batch_size == 4
    assert batch.image.dtype == batch.target.dtype == torch.uint8
    assert batch.image.shape == (4, 3, 48, 48)
    assert batch.target.shape == (4, 48, 48)
    assert batch.image.is_contiguous(memory_format=torch.channels_last)


def test_loading_leaves_the_global_generator_alone(tiny_tiles: Path) -> None:
    before = torch.get_rng_state()

    list(training_loader(open_dataset(tiny_tiles), 4, 0, 0))

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_tile_is_one_sentence_even_from_a_worker(tmp_path: Path, workers: int) -> None:
    write_prepared(tmp_path)
    dataset = open_dataset(tmp_path)
    (tmp_path / dataset.tiles[0].image).write_bytes(b"not an image")

    with pytest.raises(InvalidRaster) as raised:
        list(training_loader(dataset, 20, workers, 0))

    assert dataset.tiles[0].image in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("listening")
def test_an_interruption_waits_until_the_workers_have_started() -> None:
    reached: list[str] = []

    def start() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        start()

    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("listening")
def test_without_an_interruption_nothing_is_raised_and_an_error_stays_what_it_is() -> None:
    with uninterrupted():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    with pytest.raises(ZeroDivisionError), uninterrupted():
        raise ZeroDivisionError

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_may_load_too() -> None:
    def load() -> bool:
        with uninterrupted():
            return True

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(load).result()


def test_an_error_that_is_sent_leaves_behind_what_led_to_it() -> None:
    try:
        raise InvalidRaster("x.tif is damaged") from OSError("secret")
    except InvalidRaster as error:
        sent = alone(error)

    assert isinstance(sent, InvalidRaster)
    assert (str(sent), sent.__cause__, sent.__traceback__) == ("x.tif is damaged", None, None)
    lacking = alone(MissingRawData("no files", {"a": ["b"]}))
    assert isinstance(lacking, MissingRawData)
    assert lacking.lacking == {"a": ["b"]}
