"""Files of a folder, and files that a list names, by the names that patterns are compared with."""

import json
import socket
from pathlib import Path

import pytest

from saticl.datasets.base import Request
from saticl.datasets.folder import Folder
from saticl.datasets.listing import LocalFiles, is_list, located, read_list
from saticl.datasets.potsdam import Potsdam
from saticl.errors import InvalidOptions, MissingRawData
from tests.server import serving

DESCRIPTION = """
images: "{city}_{year}/visual"
masks: "{city}_{year}/labels"
dsm: "{city}_{year}/heights"
bands: [red]
classes: {land: 0, water: 1}
split: {by: city, train: [berlin], test: [rome]}
"""


def items(**assets: object) -> str:
    features = [
        {"type": "Feature", "id": name, "assets": {key: {"href": str(href)} for key, href in assets.items()}}
        for name in ("berlin_2020", "rome_2021")
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def test_a_folder_lists_its_files_and_those_of_links(tmp_path: Path) -> None:
    for name in ("raw/b/two.tif", "raw/one.tif", "elsewhere/three.tif", "beside.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "raw/link").symlink_to(tmp_path / "elsewhere")

    files = LocalFiles(tmp_path / "raw")

    assert files.names() == ["b/two.tif", "link/three.tif", "one.tif"]
    assert files.find("b/two.tif") == str(tmp_path / "raw/b/two.tif")
    assert files.find("../beside.tif") == str(tmp_path / "raw/../beside.tif")
    assert files.find("b") is None


def test_a_text_file_names_files_beside_it_and_addresses(tmp_path: Path) -> None:
    lines = [
        "# imagery of two years",
        "",
        " images/a.tif ",
        "./images/b.tif",
        "/data/c.tif",
        "https://host.org/area%201/d.tif?key=1",
        "s3://bucket/2023/e.tif",
        "/vsis3/bucket/2023/f.tif",
        "/vsicurl/https://host.org/g.tif",
    ]
    (tmp_path / "files.txt").write_text("\n".join(lines))

    found = read_list(tmp_path / "files.txt").addresses

    assert found == {
        "images/a.tif": str(tmp_path / "images/a.tif"),
        "images/b.tif": str(tmp_path / "images/b.tif"),
        "/data/c.tif": "/data/c.tif",
        "area 1/d.tif": "https://host.org/area%201/d.tif?key=1",
        "2023/e.tif": "s3://bucket/2023/e.tif",
        "2023/f.tif": "/vsis3/bucket/2023/f.tif",
        "g.tif": "/vsicurl/https://host.org/g.tif",
    }


def test_assets_of_items_are_scenes_by_the_name_of_the_item(tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text(items(visual="https://host.org/i.tif", labels="masks/m.tif", thumbnail="t"))
    (tmp_path / "own.yaml").write_text(DESCRIPTION)

    scenes = Folder.from_file(tmp_path / "own.yaml").listed(read_list(tmp_path / "items.json"), Request())

    assert [(scene.id, scene.group, scene.split) for scene in scenes] == [
        ("berlin-2020", "berlin", "train"),
        ("rome-2021", "rome", "test"),
    ]
    assert scenes[0].image == "https://host.org/i.tif"
    assert scenes[0].mask == str(tmp_path / "masks/m.tif")
    assert scenes[0].dsm is None


def test_an_item_alone_and_files_by_their_url_are_read(tmp_path: Path) -> None:
    item = json.loads(items(visual="file:///data/one%20more.tif"))["features"][0]
    (tmp_path / "item.json").write_text(json.dumps(item))

    assert read_list(tmp_path / "item.json").addresses == {"berlin_2020/visual": "/data/one more.tif"}


def test_an_asset_that_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text(items(visual="i.tif", labels="m.tif"))
    (tmp_path / "own.yaml").write_text(DESCRIPTION)
    adapter, files = Folder.from_file(tmp_path / "own.yaml"), read_list(tmp_path / "items.json")

    with pytest.raises(MissingRawData, match=r"2 files of own .*items\.json: berlin_2020/heights, rome_2021/heights"):
        adapter.listed(files, Request({"dsm": True}))
    assert len(adapter.listed(files, Request())) == 2


def test_lists_on_a_server_name_files_beside_them(tmp_path: Path) -> None:
    (tmp_path / "area").mkdir()
    (tmp_path / "area/items.json").write_text(items(visual="i.tif", labels="/m.tif"))
    (tmp_path / "area/files.txt").write_text("images/a.tif\n")

    with serving(tmp_path) as (address, _):
        assets = read_list(f"{address}/area/items.json").addresses
        files = read_list(f"{address}/area/files.txt").addresses

    assert assets["rome_2021/visual"] == f"{address}/area/i.tif"
    assert assets["rome_2021/labels"] == f"{address}/m.tif"
    assert files == {"images/a.tif": f"{address}/area/images/a.tif"}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("x.json", "{", r"x\.json is no STAC item collection: it needs `features`"),
        ("x.json", "[1]", "no STAC item collection"),
        ("x.json", '{"type": "FeatureCollection", "features": [{"id": "a"}]}', "no STAC item collection"),
        ("x.json", '{"type": "FeatureCollection", "features": []}', "lists no file"),
        ("x.txt", "# nothing\n", "lists no file: write one path or address per line"),
        ("x.txt", "a.tif\n./a.tif\n", r"lists 'a\.tif' twice"),
    ],
)
def test_a_list_that_is_none_is_a_sentence(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(MissingRawData, match=sentence):
        read_list(tmp_path / name)


def test_a_list_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingRawData, match=r"The list .*none\.txt cannot be read \(No such file"):
        read_list(tmp_path / "none.txt")
    with (
        serving(tmp_path) as (address, _),
        pytest.raises(MissingRawData, match=rf"The list {address}/none\.txt cannot be read \(Not Found\)"),
    ):
        read_list(f"{address}/none.txt")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(MissingRawData, match=rf"{port}/a\.txt cannot be read .*refused"):
        read_list(f"http://127.0.0.1:{port}/a.txt")


def test_a_source_is_a_folder_a_list_or_an_address_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()

    assert located("raw") == Path("raw").resolve()
    assert located("https://host.org/a/items.JSON?key=1") == "https://host.org/a/items.JSON?key=1"
    assert is_list("https://host.org/items.json")
    assert is_list(tmp_path / "files.txt")
    assert not is_list(tmp_path / "raw")
    assert not is_list(tmp_path / "folder.json")


@pytest.mark.parametrize(
    "source", ["https://host.org/raw/", "s3://bucket/files.txt", "/vsicurl/https://host.org/a.tif"]
)
def test_an_address_of_a_folder_is_refused_with_what_helps(source: str) -> None:
    with pytest.raises(InvalidOptions, match=r"cannot be listed: write their addresses into a text file"):
        located(source)


def test_official_datasets_are_read_from_folders(tmp_path: Path) -> None:
    (tmp_path / "files.txt").write_text("a.tif")

    with pytest.raises(InvalidOptions, match=r"potsdam is read from a folder, and .*files\.txt is a list"):
        Potsdam().listed(read_list(tmp_path / "files.txt"), Request())
