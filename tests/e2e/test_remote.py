"""Imagery on a server: `prepare` reads parts of it over the network, and training never notices."""

import json
from pathlib import Path

import pytest
from rasterio.shutil import copy

from tests.cutting import digests
from tests.e2e.test_originals import OPTIONS
from tests.e2e.test_training import invoke
from tests.grids import DESCRIPTION, scene
from tests.server import serving

STAC = DESCRIPTION.replace("images/{name}.tif", "{name}/visual").replace("masks/{name}.tif", "{name}/labels")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cloud-optimised GeoTIFFs of three scenes, and two lists of them."""
    root = tmp_path_factory.mktemp("server")
    names = ["a", "b", "c"]
    for name in names:
        scene(root, name, 300, 260)
        for kind in ("images", "masks"):
            file = root / f"raw/{kind}/{name}.tif"
            copy(file, root / f"{kind}-{name}.tif", driver="COG", compress="DEFLATE", blocksize=128)
            (root / f"{kind}-{name}.tif").replace(file)
    (root / "raw/files.txt").write_text(
        "".join(f"{kind}/{name}.tif\n" for kind in ("images", "masks") for name in names)
    )
    assets = {"visual": "images", "labels": "masks"}
    features = [
        {"id": name, "assets": {key: {"href": f"{kind}/{name}.tif"} for key, kind in assets.items()}} for name in names
    ]
    (root / "raw/items.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (root / "stac.yaml").write_text(STAC)
    return root


def cut(server: Path, source: object, dst: Path, description: str = "own.yaml", *words: str) -> None:
    code, text = invoke(
        "prepare",
        "--src",
        source,
        "--dst",
        dst,
        "--dataset",
        server / description,
        "--tile-size=64",
        "--jobs=1",
        *words,
    )
    assert code == 0, text


def test_tiles_from_a_server_are_those_of_the_folder_and_train(server: Path, tmp_path: Path) -> None:
    cut(server, server / "raw", tmp_path / "local")
    with serving(server / "raw") as (address, asked):
        cut(server, f"{address}/files.txt", tmp_path / "listed")
        cut(server, f"{address}/items.json", tmp_path / "items", "stac.yaml")

    local = digests(tmp_path / "local" / "tiles")
    assert local == digests(tmp_path / "listed" / "tiles")
    assert local == digests(tmp_path / "items" / "tiles")
    assert {path for _, path, _ in asked} <= {
        "/files.txt",
        "/items.json",
        *(f"/{kind}/{name}.tif" for kind in ("images", "masks") for name in "abc"),
    }
    assert all(part for method, path, part in asked if method == "GET" and path.endswith(".tif"))
    words = ["--data-root", tmp_path / "listed", "--output-folder", tmp_path / "runs", "--name=run"]
    code, text = invoke("train", *words, *OPTIONS)
    assert code == 0, text


def test_scenes_that_the_server_has_not_are_a_sentence(server: Path, tmp_path: Path) -> None:
    with serving(server / "raw") as (address, _):
        (tmp_path / "files.txt").write_text(f"{address}/images/x.tif\n{address}/masks/x.tif\n")
        code, text = invoke(
            "prepare", "--src", tmp_path / "files.txt", "--dst", tmp_path / "tiles", "--dataset", server / "own.yaml"
        )

    assert code == 2
    assert f"{address}/masks/x.tif cannot be read" in " ".join(text.split())
