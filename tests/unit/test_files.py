"""Files are complete or absent, and JSON says null where there is no number."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from saticl.errors import UnwritableFile
from saticl.files import Fingerprint, assembling, replacing, to_json, write_atomically, write_json


def test_text_and_bytes_arrive_as_given_and_folders_are_made(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "text.txt", "città\n")
    write_atomically(tmp_path / "raw.bin", b"\x00\xff")

    assert (tmp_path / "a" / "text.txt").read_text(encoding="utf-8") == "città\n"
    assert (tmp_path / "raw.bin").read_bytes() == b"\x00\xff"


def fail_while_writing(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text("ne")
        raise RuntimeError("killed")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    write_atomically(path, "old")

    with pytest.raises(RuntimeError, match="killed"):
        fail_while_writing(path)

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_a_sentence_and_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scores.json"
    write_atomically(path, "old")

    def full(path: Path, _content: bytes) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(UnwritableFile, match=r"scores\.json cannot be written \(No space left on device\): make room"):
        write_atomically(path, "new")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_bytes_that_do_not_arrive_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", lambda path, content: write(path, content[:-1]))

    with pytest.raises(UnwritableFile, match="only 4 of 5 bytes arrived"):
        write_atomically(tmp_path / "raw.bin", b"12345")

    assert list(tmp_path.iterdir()) == []


def test_a_fingerprint_is_the_size_and_the_crc_32() -> None:
    assert Fingerprint.of(b"123456789") == (9, 0xCBF43926)


def test_the_temporary_name_is_in_the_same_folder_and_keeps_the_suffix(tmp_path: Path) -> None:
    with replacing(tmp_path / "figure.png") as temporary:
        temporary.write_bytes(b"")

        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        assert not (tmp_path / "figure.png").exists()

    assert (tmp_path / "figure.png").exists()


def test_json_has_null_for_what_is_not_a_number_and_keeps_the_order_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "value.json"

    write_json(path, {"z": float("nan"), "a": [np.float32(0.5), np.inf, np.int64(3)], "path": Path("x") / "y"})

    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {"z": None, "a": [0.5, None, 3], "path": "x/y"}
    assert path.read_text().index('"z"') < path.read_text().index('"a"')


def test_an_object_without_a_json_form_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        write_json(tmp_path / "value.json", {"key": object()})

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([[1.0, np.nan], [2.0, 3.0]]), [[1.0, None], [2.0, 3.0]]),
        (np.bool_(True), True),
        ({1: (2, None)}, {"1": [2, None]}),
        (np.float64("nan"), None),
        (np.array(7), 7),
    ],
)
def test_arrays_scalars_and_keys_become_plain_json(value: object, expected: object) -> None:
    assert to_json(value) == expected


def fail_while_assembling(path: Path) -> None:
    with assembling(path) as temporary:
        temporary.write_text("ne")
        temporary.with_suffix(".journal").write_text("more")
        raise RuntimeError("killed")


def test_what_libraries_write_beside_a_file_vanishes(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "map.gpkg"

    with assembling(path) as temporary:
        temporary.write_text("new")
        temporary.with_suffix(".journal").write_text("more")
        assert temporary.name == "map.gpkg"
        assert temporary.parent.parent == path.parent
        assert not path.exists()

    assert path.read_text() == "new"
    with pytest.raises(RuntimeError, match="killed"):
        fail_while_assembling(path)
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def assemble(path: Path) -> None:
    with assembling(path) as temporary:
        temporary.write_text("new")


def test_a_file_that_cannot_be_where_it_should_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()

    with pytest.raises(UnwritableFile, match=r"map\.tif cannot be written \(.+\): make room"):
        assemble(tmp_path / "file" / "map.tif")
    with pytest.raises(UnwritableFile, match=r"folder cannot be written \(Is a directory\): make room"):
        assemble(tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
