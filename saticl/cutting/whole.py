"""Images that are used whole: read once, to decode their masks and to count; mostly they stay where they are.

A dataset may have twenty thousand of them, each read in milliseconds. So the unit of work is a bundle of images, and
the records of a bundle are the lines of one file. Which bundle an image belongs to depends on its name alone.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from saticl.cutting.behind import WriteBehind
from saticl.cutting.blocks import Block
from saticl.cutting.checks import damaged_files, lost_files
from saticl.cutting.parts import Part, read_bundle, write_bundle
from saticl.cutting.recipe import Recipe, bundle_of
from saticl.cutting.survey import Failures
from saticl.cutting.unit import Writer, cut
from saticl.datasets.base import Scene
from saticl.datasets.reader import open_scene
from saticl.datasets.stamps import stamps
from saticl.errors import InvalidRaster
from saticl.geo.raster import environment

Bundle = tuple[Scene, ...]
"""Images whose records are in one file; not always all of these."""


@dataclass(frozen=True)
class Stock:
    """Which images are finished, by bundle."""

    bundles: dict[int, Bundle] = field(default_factory=dict)
    """All images."""
    parts: dict[str, Part] = field(default_factory=dict)
    """Records of those that are finished, by scene."""
    outdated: list[str] = field(default_factory=list)
    """Scenes whose files have changed since."""

    def share(self, first: int, step: int) -> list[Bundle]:
        """The bundles of a shard."""
        return [self.bundles[number] for number in sorted(self.bundles) if number % step == first]


def take_stock(scenes: Iterable[Scene], recipe: Recipe) -> Stock:
    """Look which images are finished; none is opened. One that now belongs to another split or group is not."""
    grouped: dict[int, list[Scene]] = defaultdict(list)
    for scene in scenes:
        grouped[bundle_of(scene.id)].append(scene)
    stock = Stock({number: tuple(bundle) for number, bundle in grouped.items()})
    for bundle in stock.bundles.values():
        parts = read_bundle(recipe, bundle[0].id)
        for scene in bundle:
            part = parts.get(scene.id)
            if part is not None and part.is_outdated(stamps(scene.files)):
                stock.outdated.append(scene.id)
            elif part is not None and (part.scene.split, part.scene.group) == (scene.split, scene.group):
                stock.parts[scene.id] = part
    return stock


def unfinished_images(stock: Stock, bundles: Iterable[Bundle], recipe: Recipe) -> tuple[list[Bundle], list[str]]:
    """The images of these bundles that are left to read, and the damaged files for which some must be read again.

    All files that were written of finished images are read and compared with their checksums.
    """
    bundles = list(bundles)
    parts = [stock.parts[scene.id] for bundle in bundles for scene in bundle if scene.id in stock.parts]
    damaged = damaged_files(recipe.root, (tile for part in parts for tile in part.tiles))
    bad = set(damaged)
    kept = {part.scene.id for part in parts if not any(name in bad for tile in part.tiles for name in tile.own)}
    left = (tuple(scene for scene in bundle if scene.id not in kept) for bundle in bundles)
    return [bundle for bundle in left if bundle], damaged


def lacking(stock: Stock, bundles: Iterable[Bundle], recipe: Recipe) -> set[str]:
    """Scenes of these bundles that are not finished, or whose files are gone, by their sizes."""
    scenes = [scene.id for bundle in bundles for scene in bundle]
    return {scene for scene in scenes if scene not in stock.parts or lost_files(recipe.root, stock.parts[scene].tiles)}


def read_images(bundle: Bundle, recipe: Recipe) -> Failures:
    """Read images of a bundle, and write their masks and then their records; returns why some cannot be used.

    Raises UnwritableFile where the disk is full: then none of these images is finished.
    """
    failed: Failures = {}
    parts = read_bundle(recipe, bundle[0].id)
    with environment(), WriteBehind() as disk:
        for scene in bundle:
            try:
                parts[scene.id] = _read(scene, recipe, disk)
            except InvalidRaster as error:
                failed[scene.id] = error
    if parts:
        write_bundle(recipe, parts.values())
    return failed


def _read(scene: Scene, recipe: Recipe, disk: WriteBehind) -> Part:
    sources = stamps(scene.files)  # before they are opened: what changes from now on is noticed by the next run
    with open_scene(scene) as reader:
        return cut(Block(scene, 0, range(1), 1), reader, Writer(scene, reader, recipe, disk), sources)
