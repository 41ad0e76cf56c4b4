"""Sections of scenes, and results from any executor."""

from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saticl.cutting import inspection
from saticl.cutting.executor import InProcess, completed
from saticl.cutting.inspection import look_at, pixels_of_masks, sections_of
from saticl.datasets.base import MaskFile, Scene
from saticl.datasets.potsdam import Potsdam
from saticl.errors import InvalidRaster
from saticl.geo.raster import write
from tests.raw import COMPLETE_OR_NOT, HERE, labels, potsdam_scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    potsdam_scene(tmp_path, 2, 10, height=90, width=100)
    return Potsdam().scenes(tmp_path, COMPLETE_OR_NOT)[0]


@pytest.mark.parametrize("pixels", [1, 3_300, 10**9])
def test_sections_cover_every_row_once(scene: Scene, monkeypatch: pytest.MonkeyPatch, pixels: int) -> None:
    monkeypatch.setattr(inspection, "ROWS", 16)
    monkeypatch.setattr(inspection, "SECTION_PIXELS", pixels)

    sections = sections_of(look_at(scene))

    assert [row for section in sections for row in section.rows] == list(range(90))
    assert len(sections[0].rows) == {1: 16, 3_300: 32, 10**9: 90}[pixels]
    assert sum(section.pixels for section in sections) == 90 * 100


def test_a_file_that_is_read_from_its_beginning_is_one_section(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "ROWS", 16)
    monkeypatch.setattr(inspection, "SECTION_PIXELS", 1)
    monkeypatch.setattr(inspection, "is_sequential", lambda scene: True)

    assert [section.rows for section in sections_of(look_at(scene))] == [range(90)]


def test_a_scene_that_cannot_be_opened_has_no_sections(scene: Scene) -> None:
    Path(scene.image).write_bytes(b"text")

    look = look_at(scene)

    assert sections_of(look) == []
    assert set(look.places) == {scene.mask}
    assert len(look.problems) == 1


def test_the_pixels_of_all_masks_are_counted(scene: Scene, tmp_path: Path) -> None:
    write(tmp_path / "more.tif", labels(30, 20)[None], HERE, None)
    more = MaskFile(str(tmp_path / "more.tif"), scene.palette)
    gone = MaskFile(str(tmp_path / "gone.tif"), scene.palette)

    assert pixels_of_masks(look_at(scene)) == 90 * 100
    assert pixels_of_masks(look_at(replace(scene, overlays=(more, gone)))) == 90 * 100 + 30 * 20
    assert pixels_of_masks(look_at(replace(scene, mask=None))) == 0


def double(number: int, offset: int) -> int:
    return 2 * number + offset


@pytest.mark.parametrize("executor", [InProcess(), ThreadPoolExecutor(2)], ids=["here", "pool"])
def test_every_item_comes_back_with_its_result(executor: Executor) -> None:
    with executor:
        found = dict(completed(executor, double, range(5), 1))

    assert found == {0: 1, 1: 3, 2: 5, 3: 7, 4: 9}


def test_results_come_one_by_one_in_this_process() -> None:
    results = completed(InProcess(), lambda number: 1 // number, [1, 0])

    assert next(results) == (1, 1)
    with pytest.raises(ZeroDivisionError):
        next(results)


class Broken(Executor):
    """A pool whose process was killed."""

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        future: Future[None] = Future()
        future.set_exception(BrokenExecutor())
        return future


def test_a_killed_process_is_a_sentence() -> None:
    with pytest.raises(InvalidRaster, match=r"ended unexpectedly while it read scenes.*fewer --jobs"):
        list(completed(Broken(), double, [1], 1))
