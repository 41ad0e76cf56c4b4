"""What may be removed from a prepared folder, and what must stay."""

from pathlib import Path

import pytest

from saticl.cutting.folder import begin, state_of, sweep
from saticl.errors import InvalidOptions, InvalidRaster
from tests.cutting import digests, prepared
from tests.raw import potsdam_scene


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_sweeping_keeps_what_belongs_and_what_is_not_ours(tmp_path: Path) -> None:
    mine = {"tiles/a/1.tif", "parts/a/0000.json"}
    write(
        tmp_path, *mine, "tiles/a/2.tif", "tiles/b/1.tif", "parts/old.json", "tiles/c/.1.tif", "notes.txt", "x/y.tif"
    )

    sweep(tmp_path, mine)

    assert set(digests(tmp_path)) == mine | {"tiles/c/.1.tif", "notes.txt", "x/y.tif"}
    assert not (tmp_path / "tiles/b").exists()


def test_beginning_removes_no_tile_and_no_part(tmp_path: Path) -> None:
    work = {"tiles/a/1.tif", "parts/a/0000.json"}
    write(tmp_path, *work, "dataset.json", "tiles.jsonl")

    begin(tmp_path, {"overlap": 8})

    assert set(digests(tmp_path)) == work | {"prepare.json"}


def test_scenes_that_are_gone_leave_no_tiles(tmp_path: Path) -> None:
    for row, col in ((2, 10), (4, 12)):
        potsdam_scene(tmp_path / "raw", row, col)
    prepared(tmp_path / "raw", tmp_path / "tiles")
    for path in (tmp_path / "raw").rglob("*_4_12*"):
        path.unlink()

    manifest = prepared(tmp_path / "raw", tmp_path / "tiles")

    assert [scene.id for scene in manifest.scenes] == ["2_10"]
    assert {path.name for path in (tmp_path / "tiles/tiles").iterdir()} == {"2_10"}


def test_a_single_process_makes_room_before_it_replaces_other_work(tmp_path: Path) -> None:
    potsdam_scene(tmp_path / "raw", 2, 10)
    root = tmp_path / "tiles"
    prepared(tmp_path / "raw", root, tile_size=40, overlap=4)
    image = tmp_path / "raw/2_Ortho_RGB/top_potsdam_2_10_RGB.tif"
    whole = image.read_bytes()
    image.write_bytes(b"")

    with pytest.raises(InvalidRaster, match="top_potsdam_2_10"):
        prepared(tmp_path / "raw", root, overwrite=True)

    assert not list(root.rglob("*.tif"))
    image.write_bytes(whole)
    assert prepared(tmp_path / "raw", root).tile_size == 32


@pytest.mark.parametrize("content", ["[]", "7", "{", "\udc80"])
def test_damaged_notes_on_what_was_begun_are_one_sentence(tmp_path: Path, content: str) -> None:
    write(tmp_path, "tiles/a/1.tif")
    (tmp_path / "prepare.json").write_bytes(content.encode(errors="surrogateescape"))

    with pytest.raises(InvalidOptions, match=r"prepare\.json is damaged"):
        state_of(tmp_path, {"overlap": 8}, overwrite=False)


def test_a_file_is_no_folder_to_prepare(tmp_path: Path) -> None:
    write(tmp_path, "tiles.zip")

    with pytest.raises(InvalidOptions, match=r"tiles\.zip is a file, .*: give --dst a folder"):
        state_of(tmp_path / "tiles.zip", {"overlap": 8}, overwrite=False)
