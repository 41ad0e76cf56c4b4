import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saticl.errors import MissingTiles, UnknownName
from saticl.geo.windows import Window
from saticl.tiles.index import Tile, read_index, write_index
from saticl.tiles.manifest import MANIFEST, ClassEntry, Manifest, ProtocolEntry, SceneEntry, Statistics
from saticl.views import Views

SCENE = SceneEntry(
    id="a",
    group="city",
    split="train",
    height=90,
    width=100,
    tiles=4,
    counts=(8_000, 900),
    ignored=100,
    inexact=3,
    residual=1,
    crs="EPSG:32633",
    transform=(0.05, 0, 366_676, 0, -0.05, 5_808_345),
    notes=("the surface model has 1 columns less than the image: the edge is repeated",),
)
HOLDING = Manifest(
    version="0.1.0",
    dataset="own",
    classes=(ClassEntry(name="ground", colour=(1, 2, 3)), ClassEntry(name="house", colour=(4, 5, 6))),
    background="ground",
    protocols={"1s": ProtocolEntry(steps=[["house"]], background="ground")},
    bands=("red", "dsm"),
    dtype="uint8",
    statistics=Statistics(mean=(100.1, 35.25), std=(50.123456789, 1 / 3)),
    tile_size=64,
    overlap=16,
    options={"src": "/raw", "dsm": True, "crs": None, "tile_size": 64},
    scenes=(SCENE,),
)
TILE = Tile(
    id="a/00000_00016",
    scene="a",
    group="city",
    split="train",
    window=Window(0, 16, 64, 64),
    core=Window(0, 8, 56, 56),
    image="tiles/a/00000_00016_image.tif",
    mask="tiles/a/00000_00016_mask.tif",
    dsm=None,
    counts=(4000, 90),
    ignored=6,
)


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    HOLDING.save(tmp_path)

    assert Manifest.load(tmp_path) == HOLDING


def test_a_manifest_knows_its_classes_bands_and_protocols() -> None:
    assert HOLDING.class_names == ("ground", "house")
    assert HOLDING.has_dsm
    assert HOLDING.protocol("1s").groups == (("house",),)
    assert HOLDING.protocol("offline").background == "ground"
    with pytest.raises(UnknownName, match="Valid: offline, 1s"):
        HOLDING.protocol("9s")


def test_orders_of_earlier_folders_have_neither_places_nor_aliases(tmp_path: Path) -> None:
    earlier = json.loads(HOLDING.model_dump_json())
    earlier["protocols"] = {"1s": {"steps": [["house"]], "background": "ground"}}
    (tmp_path / MANIFEST).write_text(json.dumps(earlier))

    order = Manifest.load(tmp_path).protocol("1s")
    assert (order.groups, order.places, order.aliases) == ((("house",),), (), ())


def test_a_manifest_keeps_places_and_finds_aliases(tmp_path: Path) -> None:
    entry = ProtocolEntry(steps=[["house"], []], background="ground", places=[["x"], ["y"]], aliases=["other"])
    HOLDING.model_copy(update={"protocols": {"2s": entry}}).save(tmp_path)

    order = Manifest.load(tmp_path).protocol("other")
    assert (order.name, order.places, order.aliases) == ("2s", (("x",), ("y",)), ("other",))


def test_a_folder_that_is_not_prepared_says_how_to_prepare_it(tmp_path: Path) -> None:
    with pytest.raises(MissingTiles, match=r"is not prepared .*missing.* run `prepare --src"):
        Manifest.load(tmp_path)
    with pytest.raises(MissingTiles, match=r"gone does not exist: run `prepare --src"):
        Manifest.load(tmp_path / "gone")


def test_an_interrupted_preparation_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()

    with pytest.raises(MissingTiles, match="not complete: run the same `prepare` command again"):
        Manifest.load(tmp_path)


def test_a_manifest_keeps_how_images_may_be_varied(tmp_path: Path) -> None:
    varied = HOLDING.model_copy(update={"views": Views(symmetries="mirror", crop="scale", scale=(0.5, 2))})
    varied.save(tmp_path)

    assert Manifest.load(tmp_path).views == varied.views


def test_a_manifest_that_says_nothing_of_views_is_of_aerial_images(tmp_path: Path) -> None:
    earlier = {key: value for key, value in json.loads(HOLDING.model_dump_json()).items() if key != "views"}
    (tmp_path / MANIFEST).write_text(json.dumps(earlier))

    assert Manifest.load(tmp_path).views == Views(symmetries="square", crop="enlarge")


@pytest.mark.parametrize("change", [{"format": 2}, {"surprise": 1}, {"tile_size": "many"}])
def test_a_manifest_of_another_form_is_refused_in_one_sentence(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps(json.loads(HOLDING.model_dump_json()) | change))

    with pytest.raises(MissingTiles, match=next(iter(change))) as caught:
        Manifest.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_index_is_read_as_it_was_written(tmp_path: Path) -> None:
    tiles = [TILE, replace(TILE, id="b", dsm="tiles/a/00000_00016_dsm.tif", split="test")]

    write_index(tmp_path, tiles)

    assert read_index(tmp_path) == tiles


@pytest.mark.parametrize("row", ['{"id": 1}', "no JSON", '{"window": [1, 2], "core": [1], "counts": []}'])
def test_a_damaged_index_says_how_to_rebuild_it(tmp_path: Path, row: str) -> None:
    (tmp_path / "tiles.jsonl").write_text(row + "\n")

    with pytest.raises(MissingTiles, match=r"damaged.*run `prepare` again"):
        read_index(tmp_path)


def test_a_folder_without_index_says_how_to_prepare_it(tmp_path: Path) -> None:
    with pytest.raises(MissingTiles, match="run `prepare"):
        read_index(tmp_path)
