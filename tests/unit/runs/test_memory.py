"""A memory that all classes share alike."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from saticl.geo.windows import Window
from saticl.runs.memory import Kept, balanced
from saticl.tasks import Protocol, Task
from saticl.tiles.index import Tile

TASK = Task(("a", "b", "c"), Protocol("toy", (("a",), ("b", "c"))), 1)


def tile(name: str, counts: Sequence[int]) -> Tile:
    window = Window(0, 0, 8, 8)
    return Tile(name, "s", "s", "train", window, window, name, name, None, tuple(counts), 0)


def of(letter: str, number: int, counts: Sequence[int]) -> list[Tile]:
    return [tile(f"{letter}{index}", counts) for index in range(number)]


def names(kept: Sequence[Kept]) -> Counter[str]:
    return Counter(entry.tile[0] for entry in kept)


def test_classes_take_turns_and_a_smaller_memory_is_as_balanced() -> None:
    first = balanced((), of("a", 20, (5, 0, 0)), TASK.at(0), 9)
    tiles = [*of("b", 20, (0, 5, 0)), *of("c", 20, (0, 0, 5))]

    kept = balanced(first, tiles, TASK, 9)

    assert names(first) == {"a": 9}
    assert names(kept) == {"a": 3, "b": 3, "c": 3}
    assert [entry.step for entry in kept] == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert list(kept[:3]) == list(first[:3])
    assert [entry.tile[0] for entry in kept[3:]] == ["b", "c"] * 3
    assert names(balanced(first, tiles, TASK, 4)) == {"a": 2, "b": 1, "c": 1}


def test_classes_without_tiles_leave_their_turns_to_the_others() -> None:
    first = balanced((), of("a", 2, (5, 0, 0)), TASK.at(0), 9)

    kept = balanced(first, [*of("b", 1, (0, 5, 0)), *of("c", 20, (0, 0, 5)), *of("x", 9, (5, 0, 0))], TASK, 9)

    assert names(kept) == {"a": 2, "b": 1, "c": 6}


def test_tiles_are_drawn_at_random_and_always_the_same() -> None:
    tiles = of("a", 50, (5, 0, 0))

    kept = balanced((), tiles, TASK.at(0), 5)

    assert kept == balanced((), tiles, TASK.at(0), 5)
    assert [entry.tile for entry in kept] != [one.id for one in tiles[:5]]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12), st.integers(0, 12), st.integers(0, 6))
def test_no_tile_is_kept_twice_and_none_that_shows_no_new_class(
    shown: list[tuple[bool, bool]], size: int, known: int
) -> None:
    tiles = [tile(f"t{index}", (3, b, c)) for index, (b, c) in enumerate(shown)]
    before = [Kept(tile=f"o{index}", step=0) for index in range(known)]

    kept = balanced(before, tiles, TASK, size)

    useful = sum(b or c for b, c in shown)
    assert len(kept) == len(set(kept)) == min(size, useful + known)
    assert names(kept)["t"] <= useful
    assert all(entry.step == (0 if entry.tile[0] == "o" else 1) for entry in kept)
    if size <= min(known, useful):
        assert names(kept)["t"] >= names(kept)["o"] - 1
