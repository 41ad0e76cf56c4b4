"""Where output is no terminal, `prepare` says a line per finished block."""

import pytest

from saticl.display import cutting_bar
from saticl.display.cutting_bar import CuttingBar


def test_a_line_says_how_many_tiles_how_fast_and_how_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 102.0, 104.0])
    monkeypatch.setattr(cutting_bar, "monotonic", lambda: next(clock))

    with CuttingBar(100) as bar:
        bar.finished("2_10", 40)
        bar.finished("4_12", 40)

    assert capsys.readouterr().out.splitlines() == [
        "2_10: 40 of 100 tiles cut (20 tiles/s, 3 s left)",
        "4_12: 80 of 100 tiles cut (20 tiles/s, 1 s left)",
    ]
