"""`list tasks`: what is found, and how it looks."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from saticl.commands.orders import MARK, Order, orders, show
from saticl.errors import UnknownName
from saticl.protocols import PUBLISHED
from saticl.tasks import Protocol
from saticl.tiles.manifest import ProtocolEntry
from tests.unit.tiles.test_manifest import HOLDING


def text_of(found: list[Order], coloured: bool = False, width: int = 80) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=coloured, color_system="truecolor" if coloured else None
    )
    console.print(show(found, coloured))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def names(found: list[Order]) -> list[str]:
    return [order.protocol.name for order in found]


def test_a_whole_name_or_alias_finds_one_order_and_a_part_finds_many() -> None:
    assert names(orders("voc", pattern="15-1")) == names(orders("voc", pattern="15-5s")) == ["15-5s"]
    assert names(orders("ade20k", pattern="100-10")) == ["100-10"]
    assert names(orders("ade20k", pattern="100-*b")) == ["100-50b", "100-10b"]
    assert names(orders("ade20k", pattern="50-")) == ["50", "50-20"]
    assert {order.dataset for order in orders(pattern="10-5")} >= {"isaid"}
    assert {order.dataset for order in orders()} >= set(PUBLISHED)


def test_what_does_not_exist_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match=r"no task '15-6'. Did you mean '15-5'"):
        orders("voc", pattern="15-6")
    with pytest.raises(UnknownName, match="no dataset 'vocc'"):
        orders("vocc")


def test_one_order_is_shown_whole_with_its_places() -> None:
    text = " ".join(text_of(orders("cityscapes", pattern="11-5")).split())

    assert "person, rider, car, truck, bus, train, motorcycle, bicycle; in aachen, bremen" in text
    assert "2 0 in ulm, zurich, frankfurt, lindau, munster" in text
    assert "more" not in text


@pytest.mark.parametrize("dataset", [*PUBLISHED])
def test_tables_of_many_orders_fit_80_columns_and_stay_short(dataset: str) -> None:
    found = orders(dataset)
    lines = text_of(found).splitlines()

    assert max(map(len, lines)) <= 80
    assert len(lines) <= 8 * len(found) + 8
    assert all(any(line.split()[:1] == [order.protocol.name] for line in lines) for order in found)


def test_steps_of_one_size_share_a_row_but_the_first() -> None:
    order = Order("town", Protocol("o", (("a",), ("b",), ("c",), ("d", "e"))), {})
    other = Order("town", Protocol("p", (("a", "b", "c", "d", "e"),)), {})

    rows = [line.split() for line in text_of([order, other]).splitlines()]

    assert ["o", "0", "1", "a"] in rows
    assert ["1-2", "2", "x", "1", "b,", "c"] in rows
    assert ["3", "2", "d,", "e"] in rows


def test_marks_have_the_colour_of_their_class_and_are_left_out_elsewhere() -> None:
    order = Order("town", Protocol("o", (("roof",),), "ground"), {"roof": (1, 2, 3), "ground": (4, 5, 6)})

    coloured = text_of([order], coloured=True)

    assert f"\x1b[38;2;1;2;3m{MARK}\x1b[0mroof" in coloured
    assert f"\x1b[38;2;4;5;6m{MARK}" in coloured
    assert MARK not in text_of([order])


def test_a_prepared_folder_lists_its_own_orders_with_aliases(tmp_path: Path) -> None:
    entry = ProtocolEntry(steps=[["house"], []], background="ground", places=[["x"], ["y"]], aliases=["other"])
    HOLDING.model_copy(update={"protocols": {"2s": entry}}).save(tmp_path)

    (found,) = orders(data_root=tmp_path, pattern="other")

    assert found.record == {
        "dataset": "own",
        "task": "2s",
        "aliases": ["other"],
        "steps": 2,
        "background": "ground",
        "classes": [["house"], []],
        "places": [["x"], ["y"]],
    }
    assert found.colours["house"] == (4, 5, 6)
