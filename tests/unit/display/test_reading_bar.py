"""Progress of reading: a line now and then where there is no terminal, a bar elsewhere."""

import pytest
from rich.console import Console

from saticl.display import reading_bar
from saticl.display.reading_bar import PAUSE_S, ReadingBar


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time it is, to be changed by tests."""
    now = [100.0]
    monkeypatch.setattr(reading_bar, "monotonic", lambda: now[0])
    return now


def test_short_reading_says_nothing_in_a_pipe(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with ReadingBar("reading", 10) as bar:
        for scene in "abcd":
            clock[0] += PAUSE_S / 5
            bar.finished(scene, 2)

    assert capsys.readouterr().out == ""


def test_long_reading_tells_share_and_speed_now_and_then(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with ReadingBar("reading", 200_000_000) as bar:
        for scene in ("a", "b", "c"):
            clock[0] += 0.6 * PAUSE_S
            bar.finished(scene, 60_000_000)

    assert capsys.readouterr().out == "60 % read (10 Mpx/s, last b)\n"


def test_a_terminal_gets_a_bar(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reading_bar, "console", Console(width=100, force_terminal=True))

    with ReadingBar("masks", 2_000_000) as bar:
        clock[0] += 2 * PAUSE_S
        bar.finished("a", 1_000_000)

    shown = capsys.readouterr().out
    assert "masks" in shown
    assert "50%" in shown
    assert "% read" not in shown
