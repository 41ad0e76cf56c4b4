"""The published orders, against numbers written down a second time."""

import re
from pathlib import Path

import numpy as np
import pytest

from saticl import datasets
from saticl.labels import UNLABELLED
from saticl.protocols import PUBLISHED
from saticl.protocols.ade20k import ADE20K, ADE20K_CLASSES
from saticl.protocols.agriculture_vision import AGRICULTURE_VISION, AGRICULTURE_VISION_CLASSES
from saticl.protocols.cityscapes import CITYSCAPES, CITYSCAPES_CLASSES
from saticl.protocols.deepglobe import DEEPGLOBE, DEEPGLOBE_CLASSES
from saticl.protocols.isaid import ISAID, ISAID_CLASSES
from saticl.protocols.isprs import ISPRS_CLASSES
from saticl.protocols.loveda import LOVEDA, LOVEDA_CLASSES
from saticl.protocols.voc import VOC, VOC_CLASSES
from saticl.tasks import Protocol, Task, find_protocol

CLASSES = {
    "potsdam": ISPRS_CLASSES,
    "vaihingen": ISPRS_CLASSES,
    "isaid": ISAID_CLASSES,
    "deepglobe": DEEPGLOBE_CLASSES,
    "loveda": LOVEDA_CLASSES,
    "agriculture_vision_2021": AGRICULTURE_VISION_CLASSES,
    "voc": VOC_CLASSES,
    "ade20k": ADE20K_CLASSES,
    "cityscapes": CITYSCAPES_CLASSES,
}
ORDERS = [(dataset, order) for dataset, orders in PUBLISHED.items() for order in orders]
REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "reference" / "methods.md"

every_order = pytest.mark.parametrize(("dataset", "order"), ORDERS, ids=[f"{name}-{one.name}" for name, one in ORDERS])


def ids(order: Protocol, classes: tuple[str, ...], first: int = 0) -> list[list[int]]:
    return [[classes.index(name) + first for name in group] for group in order.groups]


def voc(name: str) -> list[list[int]]:
    return ids(find_protocol(name, {one.name: one for one in VOC}, VOC_CLASSES, "background"), VOC_CLASSES)


def ade(name: str) -> list[list[int]]:
    return ids(find_protocol(name, {one.name: one for one in ADE20K}, ADE20K_CLASSES), ADE20K_CLASSES, 1)


def runs(*ends: int) -> list[list[int]]:
    """1 to the first end, then on to each next one."""
    return [[*range(start + 1, end + 1)] for start, end in zip((0, *ends), ends, strict=False)]


@every_order
def test_classes_are_disjoint_and_complete(dataset: str, order: Protocol) -> None:
    order.validate(CLASSES[dataset])

    assert len(set(order.foreground)) == len(order.foreground)
    assert {*order.foreground, order.background} - {None} == set(CLASSES[dataset])


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_every_published_order_is_that_of_a_dataset_with_these_classes(dataset: str) -> None:
    adapter = datasets.find(dataset)

    assert adapter.protocols == PUBLISHED[dataset]
    assert tuple(entry.name for entry in adapter.classes) == CLASSES[dataset]
    assert {order.background for order in PUBLISHED[dataset] if order.name == "offline"} == {adapter.background}


@every_order
def test_no_name_stands_for_two_orders(dataset: str, order: Protocol) -> None:
    names = [name for one in PUBLISHED[dataset] for name in (one.name, *one.aliases)]

    assert all(names.count(name) == 1 for name in (order.name, *order.aliases))


@every_order
def test_places_stand_for_every_step_that_brings_no_class(dataset: str, order: Protocol) -> None:
    assert all(group or order.places[step] for step, group in enumerate(order.groups))
    assert len(order.places) in (0, len(order.groups))


def test_voc_in_the_order_of_its_values() -> None:
    assert voc("offline") == runs(20)
    assert voc("19-1") == runs(19, 20)
    assert voc("15-5") == runs(15, 20)
    assert voc("15-5s") == voc("15-1") == runs(15, 16, 17, 18, 19, 20)
    assert voc("10-1") == runs(*range(10, 21))
    assert voc("10-5-5") == runs(10, 15, 20)
    assert voc("10-10") == runs(10, 20)
    assert voc("5-3") == runs(5, 8, 11, 14, 17, 20)
    assert voc("5-5") == runs(5, 10, 15, 20)
    assert voc("5-1") == runs(*range(5, 21))
    assert voc("2-2") == runs(*range(2, 21, 2))
    assert voc("2-1") == runs(*range(2, 21))
    assert voc("19-1b") == [[1, 2, 3, 4, *range(6, 21)], [5]]


def test_voc_random_orders_are_the_published_lists() -> None:
    assert voc("15-1_b") == [[12, 9, 20, 7, 15, 8, 14, 16, 5, 19, 4, 1, 13, 2, 11], [17], [3], [6], [18], [10]]
    assert voc("15-5s_w") == [[1, 2, 12, 14, 13, 19, 18, 7, 11, 20, 8, 4, 9, 16, 10], [3], [15], [6], [5], [17]]
    drawn = {str(voc(f"15-5s_{letter}")) for letter in "bcdefghijklmnopqrstuvw"}
    assert len(drawn) == 22


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the collected published lists are not here")
def test_every_random_order_is_as_collected() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([b-w]) \| 0,([\d,]+) \| ([\d ]+) \|$", text, re.MULTILINE)
    assert len(rows) == 22
    for letter, base, later in rows:
        steps = [[int(one) for one in base.split(",")], *([int(one)] for one in later.split())]
        assert voc(f"15-5s_{letter}") == steps
    blocks = re.findall(r"^`(\d+(?:-\d+)?[bc])`\n\n```\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    for name, block in blocks:
        listed = [[int(one) for one in part.split()] for part in re.split(r"step \d+ \(\d+ ids\):", block)[1:]]
        assert ade(name) == [listed[0][1:], *listed[1:]]


def test_ade_in_the_order_of_its_values() -> None:
    assert ade("100-50") == runs(100, 150)
    assert ade("100-10") == runs(*range(100, 151, 10))
    assert ade("100-5") == runs(*range(100, 151, 5))
    assert ade("50") == ade("50-50") == runs(50, 100, 150)
    assert ade("50-20") == runs(50, 70, 90, 110, 130, 150)


@pytest.mark.parametrize(
    ("letter", "tens", "starts", "squares"),
    [
        ("b", [11, 30, 2, 4, 17], [1, 3, 2], (341015, 401796, 393464)),
        ("c", [3, 47, 22, 2, 15], [5, 1, 2], (363446, 362490, 410339)),
    ],
)
def test_ade_random_orders_share_their_parts(
    letter: str, tens: list[int], starts: list[int], squares: tuple[int, ...]
) -> None:
    fifty, hundred, small = ade(f"50{letter}"), ade(f"100-50{letter}"), ade(f"100-10{letter}")

    assert [len(step) for step in fifty] == [50, 50, 50]
    assert [step[0] for step in fifty] == starts
    assert [step[0] for step in small[1:]] == tens
    assert small[0] == hundred[0] == sorted(fifty[0] + fifty[1])
    assert hundred[1] == fifty[2] == sorted(one for step in small[1:] for one in step)
    assert all(step == sorted(step) for step in (*fifty, *small))
    assert tuple(sum(one**2 for one in step) for step in fifty) == squares


@pytest.mark.parametrize(
    ("dataset", "name"),
    [("ade20k", "100-50b"), ("ade20k", "100-10c"), ("ade20k", "50b"), ("voc", "15-5s_m"), ("voc", "19-1b")],
)
def test_channels_lead_back_to_the_values_of_the_masks(dataset: str, name: str) -> None:
    """Scores of a permuted order are compared by the dataset's own values: the table is inverted exactly."""
    classes, first = CLASSES[dataset], int(dataset == "ade20k")
    order = find_protocol(name, {one.name: one for one in PUBLISHED[dataset]}, classes)
    task = Task(classes, order, len(order.groups) - 1)
    table = task.eval_table()
    published = [one for step in ids(order, classes, first) for one in step]

    for channel, value in enumerate(published, start=1):
        assert table[value - first] == channel
        assert np.flatnonzero(table == channel).tolist() == [value - first]
    background = [UNLABELLED] if first else [0, UNLABELLED]
    assert np.flatnonzero(table == 0).tolist() == background


def test_cityscapes_orders_and_their_cities() -> None:
    orders = {one.name: one for one in CITYSCAPES}
    cil = orders["1-2-3"]

    assert cil.groups == (
        ("road", "sidewalk", "vegetation", "terrain", "sky"),
        ("building", "wall", "fence", "pole", "traffic_light", "traffic_sign"),
        ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
    )
    assert list(map(set, cil.places)) == [
        {"hanover", "aachen", "strasbourg", "dusseldorf"},
        {"jena", "monchengladbach", "ulm", "tubingen", "bochum", "hamburg", "weimar"},
        {"zurich", "darmstadt", "bremen", "cologne", "stuttgart", "krefeld"},
    ]
    for name, sizes in {"11-5": [11, 5, 5], "11-1": [11, *10 * [1]], "1-1": 21 * [1]}.items():
        order = orders[name]
        cities = [city for step in order.places for city in step]
        assert [len(step) for step in order.places] == sizes
        assert order.groups == (CITYSCAPES_CLASSES, *[()] * (len(sizes) - 1))
        assert (len(set(cities)), cities[0], cities[10], cities[11], cities[-3:]) == (
            21, "aachen", "cologne", "dusseldorf", ["frankfurt", "lindau", "munster"],
        )  # fmt: skip
    sizes = {name: [len(group) for group in orders[name].groups] for name in ("17-2", "13-6", "13-6s", "10-9")}
    assert sizes == {"17-2": [17, 2], "13-6": [13, 6], "13-6s": [13, *6 * [1]], "10-9": [10, 9]}
    assert orders["17-2"].groups[1] == ("motorcycle", "bicycle")


def test_aerial_orders() -> None:
    isaid = {one.name: ids(one, ISAID_CLASSES) for one in ISAID}
    globe = {one.name: ids(one, DEEPGLOBE_CLASSES, 1) for one in DEEPGLOBE}

    assert isaid == {
        "offline": runs(15),
        "4s": [[3, 4, 5, 6, 11, 13], [7, 8, 9, 12], [1, 2, 15], [10, 14]],
        "14-1": runs(14, 15),
        "10-5": runs(10, 15),
        "5-5-5": runs(5, 10, 15),
        "10-1": runs(*range(10, 16)),
    }
    assert globe == {
        "offline": runs(6),
        "3-3": runs(3, 6),
        "2-2-2": runs(2, 4, 6),
        "1x6": runs(*range(1, 7)),
        "4-1-1": runs(4, 5, 6),
    }
    assert [one.places for one in LOVEDA] == [(), (("urban",), ("rural",), ("urban", "rural"))]


def test_agriculture_vision() -> None:
    orders = {one.name: one for one in AGRICULTURE_VISION}
    adapter = datasets.find("agriculture_vision_2021")

    assert ids(orders["6-2"], AGRICULTURE_VISION_CLASSES) == [[1, 2, 3, 4, 5, 8], [6, 7]]
    assert tuple(adapter.protocols) == AGRICULTURE_VISION
    assert tuple(one.name for one in adapter.classes) == AGRICULTURE_VISION_CLASSES
