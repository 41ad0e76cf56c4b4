"""The index keeps what tiles are recognised by, and reads what earlier versions wrote."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from saticl.files import Fingerprint
from saticl.geo.windows import Window
from saticl.tiles.index import INDEX, Tile, read_index, tile_to_dict, write_index

TILE = Tile(
    id="a/00000_00016",
    scene="a",
    group="city",
    split="train",
    window=Window(0, 16, 64, 64),
    core=Window(0, 8, 56, 56),
    image="tiles/a/00000_00016_image.tif",
    mask="tiles/a/00000_00016_mask.tif",
    dsm="tiles/a/00000_00016_dsm.tif",
    counts=(4000, 90),
    ignored=6,
    invalid=7,
    files=(Fingerprint(10, 11), Fingerprint(20, 21), Fingerprint(30, 31)),
)


def test_sizes_checksums_and_pixels_without_data_survive(tmp_path: Path) -> None:
    write_index(tmp_path, [TILE])

    assert read_index(tmp_path) == [TILE]
    assert isinstance(read_index(tmp_path)[0].files[0], Fingerprint)


def test_names_are_in_the_order_of_the_files() -> None:
    assert TILE.names == (TILE.image, TILE.mask, TILE.dsm)
    assert replace(TILE, dsm=None).names == (TILE.image, TILE.mask)


def test_rows_of_an_earlier_version_have_data_everywhere(tmp_path: Path) -> None:
    row = {key: value for key, value in tile_to_dict(TILE).items() if key not in ("invalid", "files")}
    (tmp_path / INDEX).write_text(json.dumps(row))

    assert read_index(tmp_path) == [replace(TILE, invalid=0, files=())]


def test_rows_are_made_without_copying_every_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 images in 150 classes are three million numbers."""

    def refused(number: object) -> object:
        raise AssertionError(f"{number} was copied on its own")

    monkeypatch.setattr("copy.deepcopy", refused)

    row = tile_to_dict(TILE)

    assert json.loads(json.dumps(row)) == row
    assert (row["window"], row["counts"], row["files"][0]) == ([0, 16, 64, 64], [4000, 90], [10, 11])
