"""Progress of work on scenes: lines where there is no terminal, a bar elsewhere."""

from io import StringIO

import pytest
from rich.console import Console

from saticl.display import scene_bar
from saticl.display.scene_bar import PAUSE_S, SceneBar


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time it is, to be changed by tests."""
    now = [100.0]
    monkeypatch.setattr(scene_bar, "monotonic", lambda: now[0])
    return now


def test_a_line_says_how_many_tiles_how_fast_and_how_long(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with SceneBar("cutting", 100) as bar:
        for scene in ("2_10", "4_12"):
            clock[0] += 2
            bar.finished(scene, 40)

    assert capsys.readouterr().out.splitlines() == [
        "cutting: 40 of 100 tiles (20 tiles/s, 3 s left, last 2_10)",
        "cutting: 80 of 100 tiles (20 tiles/s, 1 s left, last 4_12)",
    ]


def test_short_reading_says_nothing_in_a_pipe(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with SceneBar("reading", 10, pause=PAUSE_S) as bar:
        for scene in "abcd":
            clock[0] += PAUSE_S / 5
            bar.finished(scene, 2)

    assert capsys.readouterr().out == ""


def test_long_reading_tells_share_and_speed_now_and_then(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with SceneBar("reading", 200_000_000, "Mpx", 10**6, PAUSE_S) as bar:
        for scene in ("a", "b", "c"):
            clock[0] += 0.6 * PAUSE_S
            bar.finished(scene, 60_000_000)

    assert capsys.readouterr().out == "reading: 120 of 200 Mpx (10 Mpx/s, 8 s left, last b)\n"


def test_blocks_without_tiles_are_no_division_by_zero(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with SceneBar("cutting", 10) as bar:
        bar.finished("a", 0)

    assert capsys.readouterr().out.startswith("cutting: 0 of 10 tiles")


def test_a_terminal_gets_a_bar(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=StringIO(), width=100, force_terminal=True)
    monkeypatch.setattr(scene_bar, "console", terminal)

    with SceneBar("masks", 2_000_000, "Mpx", 10**6) as bar:
        clock[0] += 2 * PAUSE_S
        bar.finished("a", 1_000_000)

    assert isinstance(terminal.file, StringIO)
    shown = terminal.file.getvalue()
    assert "masks" in shown
    assert "50%" in shown
    assert "1 of 2 Mpx" not in shown
