"""Steps that are defined by places: which tiles they train on, and which are kept for validation."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saticl.errors import EmptySelection
from saticl.tasks import Protocol, Task
from saticl.tiles.index import Tile
from saticl.tiles.sampling import balanced_shares
from saticl.tiles.selection import deal, select
from saticl.tiles.validation import lies_in, merged, split_by_place
from tests.unit.tiles.test_selection import CLASSES, make_tile

MOVING = Protocol("moving", (("a", "b"), (), ("c",)), places=(("north",), ("south", "west"), ()))
GROUPS = ("north", "south", "west", "east")
MODES = ["overlap", "disjoint", "noov", "sequential", "split", "balanced"]


@st.composite
def placed(draw: st.DrawFn, most: int = 40) -> list[Tile]:
    """Tiles of scenes of their own, in groups."""
    drawn = draw(
        st.lists(st.tuples(st.sampled_from(GROUPS), st.frozensets(st.integers(0, 4))), min_size=1, max_size=most)
    )
    return [make_tile(0, labels, scene=f"s{number}", group=group) for number, (group, labels) in enumerate(drawn)]


def selected(tiles: list[Tile], step: int, mode: str, seed: int = 0) -> list[Tile]:
    try:
        return select(tiles, Task(CLASSES, MOVING, step), mode, seed)  # type: ignore[arg-type]
    except EmptySelection:
        return []


def shows(tile: Tile, names: str) -> bool:
    return any(tile.counts[CLASSES.index(name)] for name in names)


@given(placed(), st.sampled_from(MODES))
def test_a_step_takes_tiles_of_its_places_only(tiles: list[Tile], mode: str) -> None:
    for step, places in enumerate(MOVING.places):
        assert {tile.group for tile in selected(tiles, step, mode)} <= set(places or GROUPS)


@given(placed())
def test_a_step_without_new_classes_takes_tiles_with_any_known_one(tiles: list[Tile]) -> None:
    there = [tile for tile in tiles if tile.group in ("south", "west") and shows(tile, "ab")]

    assert selected(tiles, 1, "overlap") == sorted(there, key=lambda tile: tile.id)
    assert selected(tiles, 1, "disjoint") == sorted((t for t in there if not shows(t, "c")), key=lambda tile: tile.id)


@given(placed(), st.sampled_from(["split", "balanced"]), st.integers(0, 9))
def test_dealing_gives_a_tile_to_one_step_that_may_use_it(tiles: list[Tile], mode: str, seed: int) -> None:
    by_step = [selected(tiles, step, mode, seed) for step in range(3)]
    dealt = [tile.id for step in by_step for tile in step]
    usable = [t for t in tiles if shows(t, "c") or (shows(t, "ab") and t.group != "east")]

    assert sorted(dealt) == sorted(tile.id for tile in usable)
    assert {*deal(tiles, Task(CLASSES, MOVING, 2), seed, mode)} == set(dealt)  # type: ignore[arg-type]


def test_a_step_whose_places_the_folder_lacks_is_refused_by_name() -> None:
    tiles = [make_tile(0, {0}, group="east")]

    with pytest.raises(
        EmptySelection, match=r"None of the 1 training tiles lies in south, west, .*--task.splits merged"
    ):
        select(tiles, Task(CLASSES, MOVING, 1), "overlap", 0)
    with pytest.raises(EmptySelection, match=r"training tiles in north holds a class of step 0 .*\(a, b\)"):
        select([make_tile(0, {4}, group="north")], Task(CLASSES, MOVING, 0), "overlap", 0)


@given(placed(), st.floats(0, 1), st.integers(0, 99))
def test_every_place_is_parted_by_itself(tiles: list[Tile], share: float, seed: int) -> None:
    """What a place keeps is the same whoever asks; scenes stay whole, and no place loses all of them."""
    try:
        training, kept = split_by_place(tiles, (), share, seed)
    except EmptySelection:
        assert len({tile.group for tile in tiles}) == len(tiles)
        return

    assert sorted(tile.id for tile in (*training, *kept)) == sorted(tile.id for tile in tiles)
    for name in GROUPS:
        own = [tile for tile in tiles if tile.group == name]
        mine = [tile for tile in kept if tile.group == name]
        assert len(mine) == (min(max(1, round(share * len(own))), len(own) - 1) if len(own) > 1 else 0)
        if len(own) > 1:
            assert split_by_place(tiles, (name,), share, seed)[1] == mine


def test_named_validation_is_followed_wherever_it_lies_and_test_tiles_stay_out() -> None:
    tiles = [
        make_tile(0, scene="x", group="north"),
        make_tile(0, scene="y", group="south"),
        make_tile(0, scene="z", group="east", split="val"),
        make_tile(0, scene="t", group="north", split="test"),
    ]

    assert split_by_place(tiles, ("north",), 0.5, 0) == ([tiles[0]], [tiles[2]])


def test_merged_tiles_are_all_for_training() -> None:
    tiles = [
        make_tile(0, scene=name, group="north", split=split)
        for name, split in zip("xyz", ("train", "val", "test"), strict=True)
    ]

    training, kept = split_by_place(merged(tiles), ("north",), 0.2, 0)

    assert len(training) == 2
    assert len(kept) == 1
    assert {tile.scene for tile in (*training, *kept)} == {"x", "y", "z"}
    assert merged(tiles)[0] == replace(tiles[0], split="train")


def test_places_that_are_too_small_to_keep_anything_are_refused() -> None:
    with pytest.raises(EmptySelection, match=r"north has too few tiles \(1\) to keep some for validation"):
        split_by_place([make_tile(0, group="north")], ("north",), 0.2, 0)
    assert split_by_place([make_tile(0, group="north")], ("south",), 0.2, 0) == ([], [])


def test_drawing_balances_the_known_classes_where_none_is_new() -> None:
    tiles = [make_tile(0, {0}), make_tile(1, {0}), make_tile(2, {1})]

    assert balanced_shares(tiles, Task(CLASSES, MOVING, 1)).tolist() == [0.25, 0.25, 0.5]


def test_a_place_stands_for_the_groups_below_it_and_for_no_other() -> None:
    assert lies_in("urban/13", ["urban"])
    assert lies_in("urban", ["rural", "urban"])
    assert not lies_in("urban_13", ["urban"])
    assert not lies_in("urban", ["urban/13"])
    assert lies_in("rural/2", [])


def test_a_place_of_several_groups_keeps_whole_groups() -> None:
    """Groups are scenes that belong together: a scene of one must not vouch for the others of it."""
    tiles = [make_tile(0, scene=f"s{n}", group=f"{'urban' if n < 20 else 'rural'}/{n // 4}") for n in range(40)]

    training, kept = split_by_place(tiles, ("urban", "rural"), 0.2, 0)

    assert sorted(tile.id for tile in (*training, *kept)) == sorted(tile.id for tile in tiles)
    assert not {tile.group for tile in training} & {tile.group for tile in kept}
    assert [sum(tile.group.startswith(name) for tile in kept) for name in ("urban", "rural")] == [4, 4]


@given(st.floats(0, 1), st.integers(0, 99))
def test_steps_agree_on_places_within_each_other(share: float, seed: int) -> None:
    tiles = [make_tile(0, scene=f"s{n}", group=f"urban/{n // 4}") for n in range(20)]
    known = ("urban", "urban/1")

    training, kept = split_by_place(tiles, ("urban",), share, seed, known)
    inner = split_by_place(tiles, ("urban/1",), share, seed, known)

    assert inner == tuple([tile for tile in part if tile.group == "urban/1"] for part in (training, kept))
    assert all(inner)
    assert len({tile.group for tile in kept}) > 1
