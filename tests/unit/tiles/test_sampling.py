"""How often tiles are drawn: shares from pixel counts, and draws that keep to them."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saticl.geo.windows import Window
from saticl.tasks import Protocol, Task
from saticl.tiles.index import Tile
from saticl.tiles.loaders import EpochBatches
from saticl.tiles.sampling import balanced_shares, draw

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a",), ("b", "c"), ("d",))), 1)
WINDOW = Window(0, 0, 8, 8)
TILE = Tile("s/0", "s", "s", "train", WINDOW, WINDOW, "i.tif", "m.tif", None, (0, 0, 0, 0), 0)

seeds = st.integers(0, 2**32)
pixels = st.integers(0, 5000)
rows = st.lists(st.tuples(pixels, pixels, pixels, pixels), min_size=1, max_size=30).filter(
    lambda rows: any(row[1] or row[2] for row in rows)
)


def tiles(*counts: tuple[int, ...]) -> list[Tile]:
    return [replace(TILE, counts=row) for row in counts]


def test_every_new_class_gets_the_same_part_and_divides_it_by_the_square_root_of_pixels() -> None:
    # b stands on the first two tiles (900 and 100 pixels: 3 to 1), c on the last two; a and d do not count
    shares = balanced_shares(tiles((9, 900, 0, 0), (0, 100, 0, 50), (0, 0, 7, 0), (70, 0, 7, 0)), TASK)

    assert shares == pytest.approx([3 / 8, 1 / 8, 1 / 4, 1 / 4])


def test_a_tile_with_two_new_classes_adds_its_parts_up() -> None:
    assert balanced_shares(tiles((0, 5, 5, 0), (0, 0, 5, 0)), TASK) == pytest.approx([3 / 4, 1 / 4])


def test_a_new_class_on_no_tile_takes_nothing() -> None:
    assert balanced_shares(tiles((0, 4, 0, 0), (0, 4, 0, 0)), TASK) == pytest.approx([1 / 2, 1 / 2])


def test_tiles_without_any_new_class_are_refused() -> None:
    with pytest.raises(ValueError, match="new class"):
        balanced_shares(tiles((3, 0, 0, 3)), TASK)


@given(rows, st.integers(0, 9))
def test_shares_sum_to_1_and_replayed_tiles_keep_the_share_of_an_even_draw(
    rows: list[tuple[int, ...]], replayed: int
) -> None:
    shares = balanced_shares(tiles(*rows), TASK, replayed)

    assert shares.sum() == pytest.approx(1)
    assert shares[len(rows) :] == pytest.approx([1 / (len(rows) + replayed)] * replayed)
    assert all((share > 0) == (row[1] > 0 or row[2] > 0) for share, row in zip(shares, rows, strict=False))


@given(rows, st.integers(1, 100), seeds)
def test_a_tile_is_drawn_as_often_as_its_share_says_rounded_down_or_up(
    rows: list[tuple[int, ...]], number: int, seed: int
) -> None:
    shares = balanced_shares(tiles(*rows), TASK)

    keys = draw(shares, number, np.random.default_rng(seed))

    drawn = Counter((keys % len(rows)).tolist())
    assert len(keys) == number
    assert all(abs(drawn[tile] - number * share) < 1 + 1e-9 for tile, share in enumerate(shares))
    assert all(shares[tile] > 0 for tile in drawn)


@given(rows, st.integers(1, 100), seeds)
def test_every_draw_of_an_epoch_has_a_key_of_its_own(rows: list[tuple[int, ...]], number: int, seed: int) -> None:
    keys = draw(balanced_shares(tiles(*rows), TASK), number, np.random.default_rng(seed))

    assert len(set(keys.tolist())) == number
    assert keys.min() >= 0


@given(rows, st.integers(1, 9), seeds)
def test_half_of_an_epoch_or_more_shows_each_of_two_new_classes(
    rows: list[tuple[int, ...]], batches: int, seed: int
) -> None:
    """Each class has half of the shares for itself; a draw misses that by less than one tile per tile of the class."""
    number = 8 * batches
    keys = draw(balanced_shares(tiles(*rows), TASK), number, np.random.default_rng(seed))

    for label in (1, 2):
        holding = [index for index, row in enumerate(rows) if row[label]]
        seen = sum(int(key) % len(rows) in holding for key in keys)
        assert not holding or seen > number / 2 - len(holding)


def test_draws_come_in_random_order_and_differ_from_seed_to_seed() -> None:
    shares = np.full(64, 1 / 64)

    first, again, other = (draw(shares, 64, np.random.default_rng(seed)).tolist() for seed in (1, 1, 2))

    assert first == again != other
    assert sorted(first) == sorted(other) == list(range(64))
    assert first != sorted(first)


def test_a_share_of_zero_is_never_drawn_even_at_the_end_of_the_range() -> None:
    shares = np.array([0.1] * 10 + [0.0])

    drawn = {int(key) % 11 for seed in range(200) for key in draw(shares, 7, np.random.default_rng(seed))}

    assert drawn == set(range(10))


@given(rows, st.integers(1, 5), st.integers(1, 4), seeds, st.integers(0, 3))
def test_ranks_share_the_balanced_batches_of_one_process(
    rows: list[tuple[int, ...]], size: int, world: int, seed: int, epoch: int
) -> None:
    shares = balanced_shares(tiles(*rows), TASK)

    def batches(size: int, rank: int, world: int) -> list[list[tuple[int, int]]]:
        sampler = EpochBatches(len(rows), size, seed, rank, world, shares)
        sampler.epoch = epoch
        assert len(list(sampler)) == len(sampler) == len(EpochBatches(len(rows), size, seed, rank, world))
        return list(sampler)

    alone = batches(size * world, 0, 1)
    ranks = [batches(size, rank, world) for rank in range(world)]

    assert [[key for part in parts for key in part] for parts in zip(*ranks, strict=True)] == alone
    keys = [key for batch in alone for key in batch]
    assert len(set(keys)) == len(keys)
    assert {key[0] for key in keys} == {epoch}


def test_a_rare_class_comes_often_where_an_even_draw_shows_it_once() -> None:
    rows = [(0, 100, 0, 0)] * 63 + [(0, 0, 100, 0)]
    shares = balanced_shares(tiles(*rows), TASK)

    balanced = [key[1] % 64 for batch in EpochBatches(64, 8, 0, shares=shares) for key in batch]
    even = [key[1] % 64 for batch in EpochBatches(64, 8, 0) for key in batch]

    assert balanced.count(63) == 32
    assert even.count(63) == 1
