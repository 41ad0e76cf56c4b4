"""Lost and damaged tiles are found and cut anew, and a full disk never looks like success."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from saticl.commands.prepare import prepare
from saticl.cutting.blocks import ROWS_PER_BLOCK
from saticl.errors import MissingTiles, UnwritableFile
from saticl.tiles.index import INDEX, read_index
from saticl.tiles.manifest import MANIFEST
from tests.cutting import config, digests, prepared, times
from tests.raw import potsdam_scene

HEIGHT = 8 + 24 * 2 * ROWS_PER_BLOCK
"""Two blocks of tiles of 32 pixels that share 8."""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    potsdam_scene(tmp_path / "raw", 2, 10, height=HEIGHT, width=60)
    potsdam_scene(tmp_path / "raw", 4, 12, height=40, width=60)
    return tmp_path / "raw"


def lose(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["image", "mask", "dsm"])
@pytest.mark.parametrize("damage", [lose, shorten, empty, flip])
def test_a_damaged_tile_is_cut_anew_and_nothing_else(
    raw: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    kind: str,
    overwrite: bool,
) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root, dsm=True)
    before, expected = times(root / "tiles"), digests(root)
    name = f"tiles/2_10/00000_00024_{kind}.tif"
    damage(root / name)

    prepared(raw, root, dsm=True, overwrite=overwrite)

    assert digests(root) == expected
    assert f"1 file is missing or damaged, for example {name}. This is cut again now." in " ".join(
        capsys.readouterr().out.split()
    )
    second_block = f"{24 * ROWS_PER_BLOCK:05d}_"
    for path, then in before.items():
        if path.parent.name == "4_12" or path.name >= second_block:
            assert path.stat().st_mtime_ns == then


def test_several_damaged_tiles_are_counted(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root)
    expected = digests(root)
    shutil.rmtree(root / "tiles" / "4_12")
    flip(root / "tiles/2_10/00000_00000_mask.tif")

    prepared(raw, root, jobs=2)

    assert digests(root) == expected
    lost = sum(name.startswith("tiles/4_12/") for name in expected) + 1
    assert f"{lost} files are missing or damaged" in capsys.readouterr().out


def test_while_tiles_are_cut_anew_the_folder_is_not_complete(raw: Path, tmp_path: Path) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root)
    lose(root / "tiles/2_10/00000_00000_image.tif")
    image = raw / "2_Ortho_RGB/top_potsdam_2_10_RGB.tif"
    whole = image.read_bytes()
    image.write_bytes(whole[:200])

    with pytest.raises(Exception, match=r"top_potsdam_2_10_RGB\.tif"):
        prepare(config(raw, root))

    assert not (root / MANIFEST).exists()
    assert not (root / INDEX).exists()
    # Of the other block, cut from the file as it was, nothing is thrown away.
    assert list((root / "tiles/2_10").glob(f"{24 * ROWS_PER_BLOCK:05d}_*"))


@pytest.mark.parametrize("shard", ["1/2", "2/2"])
def test_a_shard_repairs_its_own_blocks(raw: Path, tmp_path: Path, shard: str) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root)
    expected = digests(root)
    for tile in read_index(root):
        flip(root / tile.mask)

    first = prepare(config(raw, root, shard=shard))
    whole = prepare(config(raw, root))

    assert first is not None  # what others wrote is looked at by size only
    assert whole is not None
    assert digests(root) == expected


def test_a_lost_tile_of_another_shard_is_not_taken_for_complete(raw: Path, tmp_path: Path) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root)
    shutil.rmtree(root / "tiles" / "2_10")

    assert prepare(config(raw, root, shard="1/2")) is None
    assert not (root / MANIFEST).exists()
    assert prepare(config(raw, root, shard="2/2")) is not None


def test_without_the_raw_imagery_a_damaged_tile_is_named(raw: Path, tmp_path: Path) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root)
    raw.rename(tmp_path / "gone")
    flip(root / "tiles/4_12/00000_00000_image.tif")

    with pytest.raises(MissingTiles, match=r"1 file is .*4_12/00000_00000_image\.tif: copy the raw imagery back"):
        prepare(config(raw, root))

    (tmp_path / "gone").rename(raw)
    prepared(raw, root)


@pytest.mark.parametrize("content", ["", "{}", '{"format": 1}', "half a lin"])
def test_a_block_with_a_damaged_part_is_cut_anew(raw: Path, tmp_path: Path, content: str) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root)
    expected = digests(root)
    (root / "parts/2_10/0001.json").write_text(content)

    prepared(raw, root)

    assert digests(root) == expected


def test_a_part_of_other_options_is_cut_anew(raw: Path, tmp_path: Path) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root)
    expected = digests(root)
    path = root / "parts/2_10/0000.json"
    part = json.loads(path.read_text())
    path.write_text(json.dumps(part | {"options": part["options"] | {"overlap": 9}}))

    prepared(raw, root)

    assert digests(root) == expected


def fill_disk(monkeypatch: pytest.MonkeyPatch, ending: str, while_: range) -> None:
    """Let some writes of files with this ending fail, counted from 0."""
    write, number = Path.write_bytes, iter(range(10**6))

    def failing(path: Path, content: bytes) -> int:
        if path.name.endswith(ending) and next(number) in while_:
            write(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", failing)


@pytest.mark.parametrize("ending", [".tif", ".json"])
def test_a_disk_that_is_full_for_a_while_is_an_error_and_the_next_run_goes_on(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    prepared(raw, tmp_path / "expected")
    root = tmp_path / "tiles"

    with monkeypatch.context() as full:
        fill_disk(full, ending, range(30, 31) if ending == ".tif" else range(2, 3))
        with pytest.raises(UnwritableFile, match=r"No space left on device.*make room"):
            prepare(config(raw, root))

    assert not (root / MANIFEST).exists()
    assert all(path.stat().st_size for path in root.rglob("*"))
    kept = times(root / "tiles")
    assert kept, "what was cut before or after is kept"
    prepared(raw, root)
    assert digests(root) == digests(tmp_path / "expected")
    assert kept.items() <= times(root / "tiles").items()


def test_a_disk_that_loses_bytes_silently_is_noticed(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def losing(path: Path, content: bytes) -> int:
        return write(path, content if path.suffix == ".json" else b"")

    monkeypatch.setattr(Path, "write_bytes", losing)

    with pytest.raises(UnwritableFile, match="only 0 of"):
        prepare(config(raw, tmp_path / "tiles"))

    assert not (tmp_path / "tiles" / MANIFEST).exists()
    assert not list((tmp_path / "tiles").rglob("*.tif"))


def test_tiles_that_vanish_behind_our_back_are_noticed(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def vanishing(path: Path, content: bytes) -> int:
        for other in path.parent.parent.parent.glob("tiles/4_12/*_image.tif"):
            other.unlink()
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", vanishing)

    with pytest.raises(MissingTiles, match="were written and are now missing or incomplete"):
        prepare(config(raw, tmp_path / "tiles"))

    assert not (tmp_path / "tiles" / MANIFEST).exists()
