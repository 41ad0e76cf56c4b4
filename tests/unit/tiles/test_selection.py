from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from saticl.errors import EmptySelection
from saticl.geo.windows import Window, grid
from saticl.options import FilterMode
from saticl.tasks import Protocol, Task
from saticl.tiles.index import Tile
from saticl.tiles.selection import classes_without_pixels, deal, select, split_validation

CLASSES = ("a", "b", "c", "d", "e")
SINGLE = Protocol("single", (("a",), ("b",), ("c",), ("d",)), "e")
PAIRS = Protocol("pairs", (("a", "b"), ("c", "d")))


def make_tile(
    number: int,
    labels: frozenset[int] | set[int] = frozenset(),
    *,
    scene: str = "s",
    group: str = "g",
    split: str = "train",
    window: Window | None = None,
) -> Tile:
    window = window or Window(64 * number, 0, 64, 64)
    counts = tuple(10 * (label in labels) for label in range(len(CLASSES)))
    name = f"{scene}/{window.row:05d}_{window.col:05d}"
    core = Window(0, 0, window.height, window.width)
    return Tile(name, scene, group, split, window, core, f"{name}.tif", f"{name}_mask.tif", None, counts, 0)  # type: ignore[arg-type]


contents = st.lists(st.frozensets(st.integers(0, 4)), min_size=1, max_size=40)
seeds = st.integers(0, 2**31)
steps = st.integers(0, 3)


def selected(tiles: list[Tile], task: Task, mode: str, seed: int = 0) -> list[Tile]:
    try:
        return select(tiles, task, mode, seed)  # type: ignore[arg-type]
    except EmptySelection:
        return []


def names(tile: Tile) -> set[str]:
    return {name for name, count in zip(CLASSES, tile.counts, strict=True) if count}


@given(contents, steps)
def test_overlap_keeps_exactly_the_tiles_with_a_new_class(drawn: list[frozenset[int]], step: int) -> None:
    tiles, task = [make_tile(number, labels) for number, labels in enumerate(drawn)], Task(CLASSES, SINGLE, step)

    assert selected(tiles, task, "overlap") == [tile for tile in tiles if names(tile) & set(task.new)]


@given(contents)
def test_disjoint_parts_the_tiles_by_their_latest_class(drawn: list[frozenset[int]]) -> None:
    """A tile belongs to the step that brings the last of its classes, so steps share none."""
    tiles = [make_tile(number, labels) for number, labels in enumerate(drawn)]

    for tile in tiles:
        at = [step for step in range(4) if tile in selected(tiles, Task(CLASSES, SINGLE, step), "disjoint")]
        learned = [SINGLE.foreground.index(name) for name in names(tile) & set(SINGLE.foreground)]
        assert at == ([max(learned)] if learned else [])


@given(contents, steps)
def test_disjoint_tiles_are_overlap_tiles_and_noov_is_its_other_name(drawn: list[frozenset[int]], step: int) -> None:
    tiles, task = [make_tile(number, labels) for number, labels in enumerate(drawn)], Task(CLASSES, SINGLE, step)
    disjoint = selected(tiles, task, "disjoint")

    assert set(disjoint) <= set(selected(tiles, task, "overlap"))
    assert selected(tiles, task, "noov") == selected(tiles, task, "sequential") == disjoint


@given(contents, seeds, st.sampled_from(["split", "balanced"]))
def test_dealing_gives_every_tile_with_a_class_to_exactly_one_step(
    drawn: list[frozenset[int]], seed: int, mode: str
) -> None:
    tiles = [make_tile(number, labels) for number, labels in enumerate(drawn)]

    dealt = Counter(tile.id for step in range(4) for tile in selected(tiles, Task(CLASSES, SINGLE, step), mode, seed))

    assert dealt == {tile.id: 1 for tile in tiles if names(tile) & set(SINGLE.foreground)}


@given(contents, seeds, st.randoms(use_true_random=False))
def test_selections_do_not_depend_on_the_order_of_the_index(
    drawn: list[frozenset[int]], seed: int, random: Random
) -> None:
    tiles = [make_tile(number, labels) for number, labels in enumerate(drawn)]
    shuffled = random.sample(tiles, len(tiles))

    for mode in ("overlap", "disjoint", "split", "balanced"):
        task = Task(CLASSES, PAIRS, 1)
        assert selected(tiles, task, mode, seed) == selected(shuffled, task, mode, seed)


@given(contents, seeds)
def test_dealing_is_the_same_at_every_step_and_only_to_classes_on_the_tile(
    drawn: list[frozenset[int]], seed: int
) -> None:
    tiles = [make_tile(number, labels) for number, labels in enumerate(drawn)]
    dealt = deal(tiles, Task(CLASSES, SINGLE, 0), seed)

    assert all(deal(tiles, Task(CLASSES, SINGLE, step), seed) == dealt for step in range(4))
    for tile in (tile for tile in tiles if tile.id in dealt):
        assert dealt[tile.id].name in names(tile)
        assert dealt[tile.id].name in SINGLE.groups[dealt[tile.id].step]


@given(contents, seeds, st.sampled_from(["split", "balanced"]))
def test_dealing_is_what_a_slow_loop_deals(drawn: list[frozenset[int]], seed: int, mode: FilterMode) -> None:
    tiles = sorted((make_tile(number, labels) for number, labels in enumerate(drawn)), key=lambda tile: tile.id)
    held = Counter(name for tile in tiles for name in names(tile))
    had: Counter[str] = Counter()
    expected = {}
    for index in np.random.default_rng(seed).permutation(len(tiles)):
        on_it = [name for name in SINGLE.foreground if name in names(tiles[index])]
        if on_it:
            least = {name: (had[name] / held[name], held[name]) if mode == "balanced" else had[name] for name in on_it}
            name = min(on_it, key=lambda one: least[one])
            expected[tiles[index].id] = name
            had[name] += 1

    assert {key: one.name for key, one in deal(tiles, Task(CLASSES, SINGLE), seed, mode).items()} == expected


@given(st.integers(1, 60), seeds)
def test_dealing_is_balanced_within_one_where_all_tiles_hold_all_classes(number: int, seed: int) -> None:
    tiles = [make_tile(index, {0, 1, 2, 3}) for index in range(number)]

    sizes = Counter(dealt.name for dealt in deal(tiles, Task(CLASSES, SINGLE), seed).values())
    counts = [sizes[name] for name in SINGLE.foreground]

    assert max(counts) - min(counts) <= 1


def test_rare_classes_get_all_their_tiles_from_the_common_ones() -> None:
    tiles = [make_tile(index, {0}) for index in range(20)] + [make_tile(index, {0, 1}) for index in range(20, 25)]

    dealt = deal(tiles, Task(CLASSES, PAIRS), seed=3)

    assert [dealt[tile.id].name for tile in tiles[20:]].count("b") >= 4


def test_balanced_gives_classes_the_same_share_of_their_tiles_and_split_the_same_number() -> None:
    tiles = [make_tile(index, {0, 1} if index < 60 else {0}) for index in range(100)]
    task = Task(CLASSES, PAIRS)

    share = Counter(one.name for one in deal(tiles, task, 3, "balanced").values())
    number = Counter(one.name for one in deal(tiles, task, 3, "split").values())

    assert share["b"] / 60 == pytest.approx(share["a"] / 100, abs=0.05)
    assert number["b"] == pytest.approx(number["a"], abs=4)


def test_among_equal_shares_the_rarest_class_comes_first() -> None:
    tiles = [make_tile(0, {0, 1}), make_tile(1, {0}), make_tile(2, {0})]

    for seed in range(5):
        assert deal(tiles[:1] + tiles[1:], Task(CLASSES, PAIRS), seed, "balanced")[tiles[0].id].name == "b"


def test_another_seed_deals_otherwise() -> None:
    tiles = [make_tile(index, {0, 1, 2, 3}) for index in range(30)]

    assert deal(tiles, Task(CLASSES, SINGLE), 1) != deal(tiles, Task(CLASSES, SINGLE), 2)


def test_a_step_whose_class_is_nowhere_is_refused_by_name() -> None:
    with pytest.raises(EmptySelection, match=r"None of the 1 training tiles holds a class of step 1 .*'single' \(b\)"):
        select([make_tile(0, {0})], Task(CLASSES, SINGLE, 1), "overlap", 0)


def test_a_step_that_the_filter_empties_says_what_to_try() -> None:
    with pytest.raises(EmptySelection, match=r"\(a\) with --task.filter-mode noov: .* learned later. Try .*overlap"):
        select([make_tile(0, {0, 1})], Task(CLASSES, SINGLE, 0), "noov", 0)
    with pytest.raises(EmptySelection, match=r"\(b\) with --task.filter-mode split: .* given to another class"):
        select([make_tile(0, {0, 1})], Task(CLASSES, SINGLE, 1), "split", 0)


def test_new_classes_without_a_pixel_are_reported() -> None:
    tiles = [make_tile(0, {0}), make_tile(1, {2})]

    assert classes_without_pixels(tiles, Task(CLASSES, PAIRS, 0)) == ("b",)
    assert classes_without_pixels(tiles, Task(CLASSES, PAIRS, 1)) == ("d",)
    assert classes_without_pixels(tiles, Task(CLASSES, SINGLE, 2)) == ()


@st.composite
def scenes(draw: st.DrawFn, num_scenes: st.SearchStrategy[int], num_groups: int) -> list[Tile]:
    """Tiles of overlapping grids, in shuffled order."""
    size = draw(st.integers(8, 40))
    overlap = draw(st.integers(0, size - 1))
    tiles = []
    for number in range(draw(num_scenes)):
        height, width = draw(st.integers(size, 6 * size)), draw(st.integers(size, 6 * size))
        windows = grid(height, width, size, overlap)
        assume(len(windows) <= 400)
        scene = {"scene": f"s{number}", "group": f"g{number % num_groups}"}
        tiles += [make_tile(index, window=window, **scene) for index, window in enumerate(windows)]  # type: ignore[arg-type]
    return draw(st.permutations(tiles)) if len(tiles) < 30 else tiles[::-1]


shares = st.floats(0, 1)


def pixels_of(tiles: list[Tile]) -> dict[str, np.ndarray]:
    """Which pixels of each scene are covered."""
    covered: dict[str, np.ndarray] = {}
    for tile in tiles:
        canvas = covered.setdefault(tile.scene, np.zeros((300, 300), bool))
        canvas[tile.window.slices] = True
    return covered


def separable(tiles: list[Tile]) -> bool:
    """Whether the first and the last row, or column, of tiles share no pixel."""
    rows = {(tile.window.row, tile.window.row + tile.window.height) for tile in tiles}
    cols = {(tile.window.col, tile.window.col + tile.window.width) for tile in tiles}
    return any(min(ends)[1] <= max(ends)[0] for ends in (rows, cols))


def assert_no_leak(training: list[Tile], validation: list[Tile]) -> None:
    assert training
    assert validation
    ours, theirs = pixels_of(training), pixels_of(validation)
    for scene in set(ours) & set(theirs):
        assert not (ours[scene] & theirs[scene]).any()


@given(scenes(st.integers(2, 6), num_groups=3), shares, seeds)
def test_groups_are_kept_whole_and_at_least_one_on_each_side(tiles: list[Tile], share: float, seed: int) -> None:
    training, validation = split_validation(tiles, share, seed)

    assert_no_leak(training, validation)
    groups = {tile.group for tile in training}, {tile.group for tile in validation}
    assert not groups[0] & groups[1]
    assert set(training) | set(validation) == set(tiles)


@given(scenes(st.integers(2, 4), num_groups=1), shares, seeds)
def test_scenes_of_one_group_are_kept_whole(tiles: list[Tile], share: float, seed: int) -> None:
    training, validation = split_validation(tiles, share, seed)

    assert_no_leak(training, validation)
    assert not {tile.scene for tile in training} & {tile.scene for tile in validation}


@given(scenes(st.just(1), num_groups=1), shares, seeds)
def test_a_single_scene_is_cut_without_a_shared_pixel_or_refused(tiles: list[Tile], share: float, seed: int) -> None:
    try:
        training, validation = split_validation(tiles, share, seed)
    except EmptySelection:
        assert not separable(tiles)
        return

    assert_no_leak(training, validation)
    assert set(training) | set(validation) <= set(tiles)


@given(scenes(st.integers(1, 5), num_groups=2), shares, seeds)
def test_the_order_of_the_index_does_not_change_validation(tiles: list[Tile], share: float, seed: int) -> None:
    try:
        expected = split_validation(tiles, share, seed)
    except EmptySelection:
        return

    assert split_validation(tiles[::-1], share, seed) == expected


def test_the_wanted_share_of_the_groups_is_kept() -> None:
    tiles = [make_tile(0, scene=f"s{number}", group=f"g{number}") for number in range(20)]

    assert [len(part) for part in split_validation(tiles, 0.1, 0)] == [18, 2]


def test_one_end_of_a_single_scene_is_kept_and_its_border_dropped() -> None:
    tiles = [make_tile(0, window=window) for window in grid(640, 128, 64, 16)]

    training, validation = split_validation(tiles, 0.1, 1)

    rows = sorted({tile.window.row for tile in tiles})
    kept = {tile.window.row for tile in validation}
    assert kept in ({rows[0]}, {rows[-1]})
    assert len(training) >= len(tiles) - 3 * len(validation)


def test_validation_scenes_that_the_dataset_names_are_followed() -> None:
    tiles = [make_tile(0, scene="x"), make_tile(0, scene="y", split="val"), make_tile(0, scene="z", split="test")]

    assert split_validation(tiles, 0.9, 0) == ([tiles[0]], [tiles[1]])


def test_a_folder_without_training_tiles_is_refused() -> None:
    with pytest.raises(EmptySelection, match="no training tile"):
        split_validation([make_tile(0, split="test")], 0.1, 0)


def test_a_single_tile_cannot_be_parted() -> None:
    with pytest.raises(EmptySelection, match=r"The only training scene, s, has too few tiles \(1\)"):
        split_validation([make_tile(0)], 0.1, 0)
