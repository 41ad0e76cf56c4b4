"""What a description may say of labels, and the sentences that refuse the rest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from saticl.datasets import find
from saticl.datasets.folder import Folder
from saticl.datasets.scene_labels import polygons_of
from saticl.errors import InvalidOptions
from saticl.labels import IGNORE

BASE: dict[str, Any] = {"images": "{name}.tif", "bands": ["red"], "classes": ["building", "road"]}
POLYGONS: dict[str, Any] = {"file": "labels.gpkg", "attribute": "kind"}


def below(root: Path) -> Callable[[str], str]:
    return lambda name: str(root / name)


def described(tmp_path: Path, **changes: Any) -> Folder:
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(BASE | changes, sort_keys=False))
    adapter = find(str(path))
    assert isinstance(adapter, Folder)
    return adapter


def test_classes_without_a_colour_get_different_ones_and_others_keep_theirs(tmp_path: Path) -> None:
    named = described(tmp_path, polygons=POLYGONS)
    mixed = described(tmp_path, polygons=POLYGONS, classes={"building": "#010203", "road": None})

    assert [entry.name for entry in named.classes] == ["building", "road"]
    assert len({entry.colour for entry in named.classes}) == 2
    assert mixed.classes[0].colour == (1, 2, 3)
    assert mixed.classes[1].colour == named.classes[1].colour


def test_values_are_drawn_in_order_and_ignored_ones_last(tmp_path: Path) -> None:
    part = POLYGONS | {
        "classes": {"building": ["a", 3, None], "road": True},
        "order": ["road", "building"],
        "ignore": "x",
        "skip": [2.0],
    }

    found = polygons_of(described(tmp_path, polygons=part).description, below(tmp_path), {})

    assert found is not None
    assert found.labels == (("true", 1), ("a", 0), ("3", 0), ("null", 0), ("x", IGNORE))
    assert found.skipped == ("2",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": {"a": 1}}, "either `masks` or `polygons`"),
        ({"masks": "m/{name}.tif", "polygons": POLYGONS}, "either `masks` or `polygons`"),
        ({"polygons": {"file": "a.gpkg"}}, "without `attribute` all polygons are of one class"),
        ({"polygons": {"file": "a.gpkg", "skip": ["x"]}}, "name it with `attribute`"),
        ({"polygons": POLYGONS | {"file": "{city}.gpkg"}}, r"polygons.file uses \{city\}, which images does not have"),
        ({"polygons": POLYGONS | {"area": {"file": "{city}.gpkg"}}}, r"polygons.area.file uses \{city\}"),
        ({"polygons": POLYGONS | {"file": "{}.gpkg"}}, "braces without a name"),
        ({"polygons": POLYGONS | {"colour": 1}}, "valid keys are file, layer, crs, attribute, classes"),
        (
            {"polygons": POLYGONS | {"area": {"file": "a", "path": "a"}}},
            "valid keys are file, layer, crs[.]$",
        ),
        ({"polygons": POLYGONS | {"classes": {"building": "a"}}}, "polygons.classes does not name road: .*`rest`"),
        ({"polygons": POLYGONS | {"classes": {"roof": "a"}}}, "names 'roof', which is not among the classes to draw"),
        ({"polygons": POLYGONS | {"order": ["road", "road"]}}, "polygons.order names 'road' twice"),
        ({"polygons": POLYGONS | {"classes": {"building": "a", "road": "a"}}}, "'a' stands for building and for road"),
        ({"polygons": POLYGONS, "rest": "land"}, "rest is 'land', but must be one of building, road"),
        ({"polygons": POLYGONS, "ignore": ["#000000"]}, "only masks of several classes hold numbers"),
        ({"polygons": POLYGONS, "classes": {"building": 1, "road": 2}}, "only masks of several classes hold numbers"),
        ({"masks": {"building": "{name}.png"}}, "masks does not name road"),
        ({"masks": [1]}, "write a pattern such as"),
        (
            {"masks": ["a/{name}.tif", "b/{name}.tif"], "classes": {"a": 1}},
            "only the last is seen: say in `unlabelled`",
        ),
        ({"masks": "{name}.png", "classes": {"a": 1}, "unlabelled": [1]}, "unlabelled and a have the same"),
        ({"masks": "{name}.png", "classes": {"a": 1}, "unlabelled": ["#000000"]}, "mix colours and numbers"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidOptions, match=message) as caught:
        described(tmp_path, **changes)

    assert "\n" not in str(caught.value)


def test_a_class_may_be_the_rest_and_another_be_drawn_without_attribute(tmp_path: Path) -> None:
    description = described(tmp_path, polygons={"file": "a.gpkg"}, rest="road").description

    found = polygons_of(description, below(tmp_path), {})

    assert found is not None
    assert found.labels == (("", 0),)
