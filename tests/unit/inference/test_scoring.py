"""Which tiles of a folder a step is scored on."""

from pathlib import Path
from types import SimpleNamespace

from saticl.inference.scoring import ScoredTiles
from saticl.tasks import Protocol, Task
from tests.unit.tiles.test_selection import CLASSES, make_tile

ORDER = Protocol("order", (("b",), ("d",)), "a")
TILES = [make_tile(0, {0}), make_tile(1, {1, 2}), make_tile(2, {3}), make_tile(3, {2})]


def counted(step: int, images: str) -> list[int]:
    """Numbers of the tiles that a step is scored on."""
    manifest = SimpleNamespace(class_names=CLASSES)
    on = ScoredTiles(Path(), manifest, TILES, "background", "background", 1, 0, images)  # type: ignore[arg-type]
    by = SimpleNamespace(task=Task(CLASSES, ORDER, step))
    return [TILES.index(tile) for tile in on.counted(by).tiles]  # type: ignore[arg-type]


def test_all_tiles_are_scored_unless_only_those_with_a_learned_class_are_asked_for() -> None:
    assert counted(0, "all") == counted(1, "all") == [0, 1, 2, 3]
    assert counted(0, "seen") == [1]
    assert counted(1, "seen") == [1, 2]
