"""What `prepare` has to do with the scenes of a source, whether they are cut into tiles or used whole."""

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Protocol

from saticl.cutting.executor import OnBlock, completed, cut_blocks
from saticl.cutting.join import Scenes
from saticl.cutting.parts import read_part
from saticl.cutting.recipe import Recipe
from saticl.cutting.survey import Failures, is_finished, left_to_others, survey_scenes, unfinished
from saticl.cutting.whole import lacking, read_images, take_stock, unfinished_images
from saticl.datasets.base import Scene
from saticl.errors import MissingTiles


class Work(Protocol):
    """The work on all scenes, and this shard's share of what is left of it."""

    @property
    def title(self) -> str:
        """What the bar calls it."""

    @property
    def unit(self) -> str:
        """What the bar counts."""

    @property
    def outdated(self) -> Sequence[str]:
        """Scenes whose files have changed since they were read."""

    @property
    def damaged(self) -> Sequence[str]:
        """Written files that are missing or damaged: what they belong to is done again."""

    @property
    def pieces(self) -> int:
        """How many pieces of work are left."""

    @property
    def tiles(self) -> int:
        """How many tiles these are."""

    def do(self, executor: Executor, report: OnBlock) -> Failures:
        """Do what is left, in whatever order the executor likes; returns why scenes failed."""

    def is_done(self) -> bool:
        """Whether all that was left is now there."""

    def of_others(self) -> set[str]:
        """Scenes that other shards have not finished."""

    def parts(self) -> Scenes:
        """The records of all scenes, in their order; raises MissingTiles where one has vanished."""


class TileWork:
    """Scenes that are cut into tiles, in blocks."""

    title, unit = "cutting", "tiles"

    def __init__(self, scenes: Sequence[Scene], recipe: Recipe, shard: tuple[int, int]) -> None:
        self._recipe, self._survey = recipe, survey_scenes(scenes, recipe)
        self._own = self._survey.share(*shard)
        self._left, self.damaged = unfinished(self._survey, self._own, recipe)
        self.outdated = list(self._survey.outdated)
        self.pieces, self.tiles = len(self._left), sum(block.tiles for block in self._left)

    def do(self, executor: Executor, report: OnBlock) -> Failures:
        """See Work; scenes that could not even be opened are among the failed ones."""
        return self._survey.failed | cut_blocks(self._left, self._recipe, executor, report)

    def is_done(self) -> bool:
        """See Work."""
        return all(is_finished(block, self._recipe) for block in self._left)

    def of_others(self) -> set[str]:
        """See Work."""
        return left_to_others(self._survey, self._own, self._recipe)

    def parts(self) -> Scenes:
        """See Work."""
        pairs = [[(block.scene.id, block.number) for block in blocks] for blocks in self._survey.blocks.values()]
        read = [[(pair, read_part(self._recipe, *pair)) for pair in of_scene] for of_scene in pairs]
        for pair, part in (found for of_scene in read for found in of_scene):
            if part is None:
                raise _vanished(self._recipe, *pair)
        return [[part for _, part in of_scene if part is not None] for of_scene in read]


class ImageWork:
    """Images that are used whole, in bundles."""

    title, unit = "reading", "images"

    def __init__(self, scenes: Sequence[Scene], recipe: Recipe, shard: tuple[int, int]) -> None:
        self._scenes, self._recipe, self._shard = scenes, recipe, shard
        self._stock = take_stock(scenes, recipe)
        self._left, self.damaged = unfinished_images(self._stock, self._stock.share(*shard), recipe)
        self.outdated = self._stock.outdated
        self.pieces, self.tiles = len(self._left), sum(map(len, self._left))

    def do(self, executor: Executor, report: OnBlock) -> Failures:
        """See Work."""
        failed: Failures = {}
        for bundle, why in completed(executor, read_images, self._left, self._recipe):
            failed |= why
            report(bundle[-1].id, len(bundle))
        if self._left:
            self._stock = take_stock(self._scenes, self._recipe)
        return failed

    def is_done(self) -> bool:
        """See Work."""
        return not lacking(self._stock, self._left, self._recipe)

    def of_others(self) -> set[str]:
        """See Work."""
        own = {bundle[0].id for bundle in self._stock.share(*self._shard)}
        others = [bundle for bundle in self._stock.bundles.values() if bundle[0].id not in own]
        return lacking(self._stock, others, self._recipe)

    def parts(self) -> Scenes:
        """See Work."""
        for scene in self._scenes:
            if scene.id not in self._stock.parts:
                raise _vanished(self._recipe, scene.id, 0)
        return [[self._stock.parts[scene.id]] for scene in self._scenes]


def _vanished(recipe: Recipe, scene: str, block: int) -> MissingTiles:
    path = recipe.part(scene, block)
    return MissingTiles(
        f"{path} is missing or has changed: run the same `prepare` command again. It cuts what is missing."
    )
