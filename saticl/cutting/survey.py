"""What there is to do: the blocks of all scenes, which are finished, which must be cut anew, and why."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from saticl.cutting.blocks import Block, blocks_of
from saticl.cutting.checks import damaged_files, lost_files
from saticl.cutting.parts import read_part
from saticl.cutting.recipe import Recipe
from saticl.datasets.base import Scene
from saticl.datasets.reader import open_scene
from saticl.datasets.stamps import Stamps, stamps
from saticl.errors import InvalidRaster, SaticlError
from saticl.geo.raster import environment

Failures = dict[str, SaticlError]
"""Why scenes cannot be used, by scene."""


@dataclass(frozen=True)
class Survey:
    """The blocks of every scene, in the order of the scenes."""

    blocks: dict[str, list[Block]] = field(default_factory=dict)
    failed: Failures = field(default_factory=dict)
    """Scenes that cannot be opened: they have no blocks."""
    outdated: dict[str, set[int]] = field(default_factory=dict)
    """Scenes whose files have changed, and the numbers of the blocks that were cut before."""

    def share(self, first: int, step: int) -> list[Block]:
        """The blocks of a shard.

        Neighbouring blocks go to different shards, so that one huge scene is shared as well as many small ones. What
        a shard gets does not depend on scenes that cannot be opened.
        """
        places = {scene: place for place, scene in enumerate(self.blocks)}
        return [block for block in self.all() if (places[block.scene.id] + block.number) % step == first]

    def is_outdated(self, block: Block) -> bool:
        """Whether a block was cut before files of its scene have changed."""
        return block.number in self.outdated.get(block.scene.id, ())

    def all(self) -> list[Block]:
        """All blocks, scene after scene."""
        return [block for blocks in self.blocks.values() for block in blocks]


def survey_scenes(scenes: Iterable[Scene], recipe: Recipe) -> Survey:
    """Divide all scenes into blocks; only scenes of which nothing is cut, or that have changed, are opened for it."""
    survey = Survey()
    for scene in scenes:
        files = stamps(scene.files)
        try:
            height, width = _extent(scene, recipe, files)
        except InvalidRaster as error:
            survey.blocks[scene.id], survey.failed[scene.id] = [], error
        else:
            survey.blocks[scene.id] = blocks_of(scene, height, width, recipe.side(height, width), recipe.overlap)
        # Of a scene that cannot be opened any more, the first part speaks for all.
        numbers = [block.number for block in survey.blocks[scene.id]] or [0]
        outdated = {number for number in numbers if _is_outdated(recipe, scene, number, files)}
        survey.outdated.update({scene.id: outdated} if outdated else {})
    return survey


def left_to_others(survey: Survey, own: Iterable[Block], recipe: Recipe) -> set[str]:
    """Scenes with blocks of other shards that are not cut, or not since files have changed."""
    mine = {(block.scene.id, block.number) for block in own}
    return {
        block.scene.id
        for block in survey.all()
        if (block.scene.id, block.number) not in mine
        and (not is_finished(block, recipe) or _is_still_outdated(survey, block, recipe))
    }


def is_finished(block: Block, recipe: Recipe) -> bool:
    """Whether a block is cut and its files are there, by their sizes."""
    part = read_part(recipe, block.scene.id, block.number)
    return part is not None and not lost_files(recipe.root, part.tiles)


def unfinished(survey: Survey, blocks: Iterable[Block], recipe: Recipe) -> tuple[list[Block], list[str]]:
    """The blocks of a shard that are left to cut, and the damaged files for which some of them must be cut anew.

    All files of finished blocks are read and compared with their checksums.
    """
    parts = [
        (block, None if survey.is_outdated(block) else read_part(recipe, block.scene.id, block.number))
        for block in blocks
    ]
    damaged = damaged_files(recipe.root, (tile for _, part in parts if part is not None for tile in part.tiles))
    bad = set(damaged)
    left = [
        block for block, part in parts if part is None or any(name in bad for tile in part.tiles for name in tile.own)
    ]
    return left, damaged


def _is_outdated(recipe: Recipe, scene: Scene, block: int, files: Stamps) -> bool:
    part = read_part(recipe, scene.id, block)
    return part is not None and part.is_outdated(files)


def _is_still_outdated(survey: Survey, block: Block, recipe: Recipe) -> bool:
    """Whether nobody has cut an outdated block since the survey."""
    return survey.is_outdated(block) and _is_outdated(recipe, block.scene, block.number, stamps(block.scene.files))


def _extent(scene: Scene, recipe: Recipe, files: Stamps) -> tuple[int, int]:
    part = read_part(recipe, scene.id, 0)
    if part is not None and not part.is_outdated(files):
        return part.scene.height, part.scene.width
    with environment(), open_scene(scene) as reader:
        return reader.height, reader.width
