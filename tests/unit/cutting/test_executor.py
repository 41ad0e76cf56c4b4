"""Any executor cuts blocks; failures stay with their scene, and every finished block is told."""

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from saticl.commands.prepare import prepare
from saticl.cutting import executor as room
from saticl.cutting.blocks import ROWS_PER_BLOCK, Block
from saticl.cutting.executor import InProcess, cut_blocks, local_executor, raise_failures
from saticl.cutting.parts import read_part
from saticl.cutting.recipe import Recipe
from saticl.cutting.survey import survey_scenes
from saticl.datasets import find
from saticl.errors import InvalidRaster, UnwritableFile
from tests.cutting import config, digests, prepared
from tests.raw import COMPLETE_OR_NOT, potsdam_scene

HEIGHT = 8 + 24 * (2 * ROWS_PER_BLOCK + 2)
"""Rows of tiles of 32 pixels that share 8, two more than two blocks hold: three blocks."""


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("raw")
    potsdam_scene(root, 2, 10, height=HEIGHT, width=50)
    potsdam_scene(root, 4, 12, height=HEIGHT, width=50)
    return root


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return Recipe(tmp_path / "tiles", 32, 8, ((0, 0, 0),) * 6, {"dataset": "potsdam"})


@pytest.fixture
def blocks(raw: Path, recipe: Recipe) -> list[Block]:
    return survey_scenes(find("potsdam").scenes(raw, COMPLETE_OR_NOT), recipe).all()


class Told:
    """Remembers what was reported, and how much was on disk then."""

    def __init__(self, recipe: Recipe) -> None:
        self.lines: list[tuple[str, int]] = []
        self.parts: list[int] = []
        self._recipe = recipe

    def __call__(self, scene: str, tiles: int) -> None:
        self.lines.append((scene, tiles))
        self.parts.append(len(list(self._recipe.root.glob("parts/*/*.json"))))


def test_every_block_is_told_as_soon_as_it_is_done(blocks: list[Block], recipe: Recipe) -> None:
    told = Told(recipe)

    failed = cut_blocks(blocks, recipe, InProcess(), told)

    assert failed == {}
    assert told.lines == [(block.scene.id, block.tiles) for block in blocks]
    assert told.parts == [1, 2, 3, 4, 5, 6]


def test_any_executor_will_do(blocks: list[Block], recipe: Recipe) -> None:
    told = Told(recipe)

    with ThreadPoolExecutor(1) as threads:
        cut_blocks(blocks, recipe, threads, told)

    assert sorted(told.lines) == sorted((block.scene.id, block.tiles) for block in blocks)
    assert all(read_part(recipe, block.scene.id, block.number) for block in blocks)


@pytest.fixture(params=[InProcess, lambda: ThreadPoolExecutor(1)], ids=["here", "pool"])
def executor(request: pytest.FixtureRequest) -> Executor:
    made: Executor = request.param()
    return made


def failing(error: Exception, scene: str, number: int) -> Callable[[Block, Recipe], None]:
    cut = room.cut_block

    def replaced(block: Block, recipe: Recipe) -> None:
        if (block.scene.id, block.number) == (scene, number):
            raise error
        cut(block, recipe)

    return replaced


def test_nothing_is_left_of_a_scene_with_a_damaged_file(
    blocks: list[Block], recipe: Recipe, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "cut_block", failing(InvalidRaster("damaged"), "2_10", 1))

    with executor:
        failed = cut_blocks(blocks, recipe, executor, Told(recipe))

    assert str(failed["2_10"]) == "damaged"
    assert {path.name for path in recipe.root.glob("*/*")} == {"4_12"}
    assert len(list(recipe.root.glob("parts/4_12/*"))) == 3


def test_what_was_cut_before_the_disk_was_full_is_kept(
    blocks: list[Block], recipe: Recipe, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "cut_block", failing(UnwritableFile("full"), "2_10", 1))

    with executor:
        failed = cut_blocks(blocks, recipe, executor, Told(recipe))

    assert list(failed) == ["2_10"]
    assert read_part(recipe, "2_10", 0) is not None
    assert read_part(recipe, "2_10", 1) is None


def test_a_failed_scene_is_given_up(blocks: list[Block], recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "cut_block", failing(UnwritableFile("full"), "2_10", 0))
    told = Told(recipe)

    cut_blocks(blocks, recipe, InProcess(), told)

    assert {scene for scene, _ in told.lines} == {"4_12"}


def test_a_mistake_in_the_program_is_not_taken_for_a_damaged_scene(
    blocks: list[Block], recipe: Recipe, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "cut_block", failing(ZeroDivisionError("bug"), "2_10", 0))

    with executor, pytest.raises(ZeroDivisionError):
        cut_blocks(blocks, recipe, executor, Told(recipe))


class Broken(Executor):
    """A pool whose process was killed, noticed while work is handed over or afterwards."""

    def __init__(self, is_late: bool) -> None:
        self._is_late = is_late

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        if not self._is_late:
            raise BrokenExecutor
        future: Future[None] = Future()
        future.set_exception(BrokenExecutor())
        return future


@pytest.mark.parametrize("is_late", [False, True])
def test_a_killed_process_is_a_sentence(blocks: list[Block], recipe: Recipe, is_late: bool) -> None:
    with pytest.raises(InvalidRaster, match=r"for example 2_10, 4_12.*fewer --jobs\. What is finished is kept"):
        cut_blocks(blocks, recipe, Broken(is_late), Told(recipe))


def test_few_failed_scenes_are_named(tmp_path: Path) -> None:
    raise_failures({}, tmp_path)
    with pytest.raises(UnwritableFile, match=r"^full \(2 more scenes failed: b, c\)$"):
        raise_failures({"a": UnwritableFile("full"), "b": InvalidRaster("bad"), "c": InvalidRaster("bad")}, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("jobs", "blocks_left", "here"), [(1, 9, True), (4, 1, True), (2, 2, False)])
def test_a_pool_is_made_only_where_it_helps(jobs: int, blocks_left: int, here: bool) -> None:
    with local_executor(jobs, blocks_left) as made:
        assert isinstance(made, InProcess) == here


def test_a_second_block_that_is_damaged_leaves_nothing_of_the_first(raw: Path, tmp_path: Path) -> None:
    own = tmp_path / "raw"
    for row, col in ((2, 10), (4, 12)):
        potsdam_scene(own, row, col, height=HEIGHT, width=50)
    image = own / "2_Ortho_RGB/top_potsdam_2_10_RGB.tif"
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) * 2 // 3])
    root = tmp_path / "tiles"

    with pytest.raises(InvalidRaster, match=r"top_potsdam_2_10_RGB\.tif.*damaged"):
        prepare(config(own, root))

    assert not (root / "tiles/2_10").exists()
    image.write_bytes(whole)
    prepared(own, root)
    prepared(own, tmp_path / "expected")
    assert digests(root) == digests(tmp_path / "expected")
