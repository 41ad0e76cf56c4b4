"""Files written behind the work: all of them, in order, and none in silence."""

import signal
import threading
from pathlib import Path

import pytest

from saticl.cutting import behind
from saticl.cutting.behind import WAITING, WriteBehind
from saticl.errors import UnwritableFile


def test_all_files_are_there_when_the_context_ends(tmp_path: Path) -> None:
    with WriteBehind() as disk:
        for number in range(20):
            disk.write(tmp_path / f"{number}.bin", bytes([number]) * 1000)

    assert [(tmp_path / f"{number}.bin").read_bytes() for number in range(20)] == [
        bytes([number]) * 1000 for number in range(20)
    ]


def test_files_are_written_in_the_order_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(behind, "write_atomically", lambda path, content: order.append(path.name))

    with WriteBehind() as disk:
        for name in "dbca":
            disk.write(tmp_path / name, b"")

    assert order == list("dbca")


def test_work_goes_on_while_the_disk_is_slow_but_not_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_write, written = threading.Event(), list[str]()

    def slowly(path: Path, content: bytes) -> None:
        may_write.wait(10)
        written.append(path.name)

    monkeypatch.setattr(behind, "write_atomically", slowly)
    with WriteBehind() as disk:
        for number in range(WAITING):
            disk.write(tmp_path / str(number), b"")
        assert written == []  # none was waited for

        threading.Timer(0.05, may_write.set).start()
        disk.write(tmp_path / "more", b"")
        assert written[0] == "0"  # room was made first


def test_a_file_that_cannot_be_written_is_an_error_at_the_end_at_the_latest(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    disk = WriteBehind()

    with pytest.raises(UnwritableFile, match=r"tile\.tif cannot be written"), disk:
        disk.write(tmp_path / "file/tile.tif", b"content")


def test_an_error_of_the_work_is_the_one_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    def fail(disk: WriteBehind) -> None:
        disk.write(tmp_path / "file/tile.tif", b"content")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), WriteBehind() as disk:
        fail(disk)


def test_after_an_error_nothing_more_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_write = threading.Event(), threading.Event()
    written: list[str] = []

    def slowly(path: Path, content: bytes) -> None:
        begun.set()
        may_write.wait(10)
        written.append(path.name)

    def fail(disk: WriteBehind) -> None:
        for name in "abc":
            disk.write(tmp_path / name, b"")
        begun.wait(10)
        threading.Timer(0.05, may_write.set).start()
        raise ZeroDivisionError

    monkeypatch.setattr(behind, "write_atomically", slowly)
    with pytest.raises(ZeroDivisionError), WriteBehind() as disk:
        fail(disk)

    assert written == ["a"]


@pytest.mark.usefixtures("listening")
def test_ctrl_c_while_the_last_files_are_awaited_gives_up_what_waits_and_ends_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_write, written = threading.Event(), list[str]()

    def slowly(path: Path, content: bytes) -> None:
        may_write.wait(10)
        written.append(path.name)

    def interrupt() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        threading.Timer(0.1, may_write.set).start()

    def work(disk: WriteBehind) -> None:
        for name in "abc":
            disk.write(tmp_path / name, b"")
        threading.Timer(0.1, interrupt).start()

    monkeypatch.setattr(behind, "write_atomically", slowly)
    with pytest.raises(KeyboardInterrupt), WriteBehind() as disk:
        work(disk)

    assert written == ["a"]
