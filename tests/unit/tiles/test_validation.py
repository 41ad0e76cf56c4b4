"""Test tiles are for the end: choosing validation tiles never looks at them."""

import pytest

from saticl.geo.windows import Window
from saticl.tiles.index import Tile
from saticl.tiles.validation import split_validation


def tile(number: int, split: str, group: str) -> Tile:
    window = Window(64 * number, 0, 64, 64)
    name = f"{group}/{number}"
    return Tile(name, group, group, split, window, Window(0, 0, 64, 64), "i.tif", "m.tif", None, (1,), 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("chooses_itself", [False, True])
def test_test_tiles_change_nothing(chooses_itself: bool) -> None:
    known = [tile(number, "train", f"g{number % 4}") for number in range(12)]
    if chooses_itself:
        known += [tile(number, "val", "v") for number in range(3)]
    tested = [tile(number, "test", "t") for number in range(5)]

    training, validation = split_validation([*tested, *known], 0.3, 0)

    assert (training, validation) == split_validation(known, 0.3, 0)
    assert validation
    assert {one.split for one in [*training, *validation]} <= {"train", "val"}
