"""What the memory allocator of a CPU run is told."""

from types import SimpleNamespace

import pytest

from saticl.allocator import keep_freed_memory


@pytest.mark.parametrize(("answer", "kept"), [(1, True), (0, False)])
def test_glibc_is_told_to_keep_what_is_freed(answer: int, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[int, int] = {}

    def mallopt(parameter: int, value: int) -> int:
        told[parameter] = value
        return answer

    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", {None: SimpleNamespace(mallopt=mallopt)}.__getitem__)

    assert keep_freed_memory() is kept
    if kept:
        assert told == {-4: 0, -1: 2**31 - 1, -2: 2**28, -8: 1}


def test_another_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace())
    assert keep_freed_memory() is False

    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("ctypes.CDLL", lambda name: pytest.fail("asked for a library"))
    assert keep_freed_memory() is False
