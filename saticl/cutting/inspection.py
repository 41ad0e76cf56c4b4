"""What `prepare --check` reads of a source: every scene is opened, and all its pixels are read once, nothing written.

A scene is read in sections of rows, in this process or in others, by the same reader that tiles are cut with. So what
is counted here is what `prepare` would count, and what fails here would fail there. A scene that is broken does not
stop the others, and its mask is then read by itself, so that one mistake does not hide another.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np

from saticl.allocator import keep_freed_memory
from saticl.cutting.blocks import is_sequential
from saticl.cutting.executor import completed
from saticl.cutting.inspected import Look, Scan, Section, Seen
from saticl.cutting.strips import affordable_width
from saticl.datasets.base import Scene
from saticl.datasets.masks import unknown_values
from saticl.datasets.reader import Reading, open_scene
from saticl.errors import InvalidRaster
from saticl.geo import raster
from saticl.geo.place import Place
from saticl.geo.places import place_of
from saticl.geo.statistics import BandSums, label_counts
from saticl.geo.windows import Window
from saticl.labels import UNLABELLED

ROWS = 512
"""Rows that are read at once; the blocks of most files divide it."""

SECTION_PIXELS = 16 * 2**20
"""Pixels of a section, about: a piece of work for one process, and a step of the bar."""

MANY_VALUES = 1000
"""Values of no class that are kept of a mask, the most frequent ones: a photograph as a mask has millions."""

Report = Callable[[str, int], None]
"""Told after each piece of work: the scene, and how many pixels were read."""


def look_at(scene: Scene) -> Look:
    """Open the files of a scene and close them again."""
    places: dict[str, Place] = {}
    for path in (scene.image, *scene.more, *(mask.path for mask in scene.masks), scene.dsm):
        if path is not None:
            with suppress(InvalidRaster):  # opening the scene says it
                places[path] = place_of(path)
    problems: dict[str, None] = {}
    for part in (
        scene,
        replace(scene, mask=None, overlays=(), polygons=None),
    ):  # the image is opened by itself where the whole fails
        try:
            with raster.environment(), open_scene(part) as reader:
                if part is scene:
                    cut = reader.imagery.grid
                    return Look(scene, places, cut, (), reader.notes)
        except InvalidRaster as error:
            problems[str(error)] = None
    return Look(scene, places, None, tuple(problems), ())


def sections_of(look: Look) -> list[Section]:
    """A scene from top to bottom; nothing of one that cannot be opened."""
    place = look.cut
    if place is None:
        return []
    step = max(ROWS, SECTION_PIXELS // place.width // ROWS * ROWS)
    if is_sequential(look.scene):
        step = place.height
    rows = [range(top, min(top + step, place.height)) for top in range(0, place.height, step)]
    return [Section(look.scene, part, place.width) for part in rows]


def read_section(section: Section, classes: int) -> Seen:
    """Read all pixels of a section; where that fails, `problem` says why, and what was read before is kept."""
    keep_freed_memory()
    total = Seen((0,) * classes)
    try:
        with raster.environment():
            for part in _parts(section, classes):
                total += part
    except InvalidRaster as error:
        return replace(total, problem=str(error))
    return total


def read_scenes(looks: Sequence[Look], classes: int, executor: Executor, report: Report) -> list[Seen]:
    """What is counted in each scene; raises InvalidRaster where a process was killed."""
    sections = [section for look in looks for section in sections_of(look)]
    seen: dict[Section, Seen] = {}
    for section, part in completed(executor, read_section, sections, classes):
        seen[section] = part
        report(section.scene.id, section.pixels)
    return [reduce(add, (seen[section] for section in sections_of(look)), Seen((0,) * classes)) for look in looks]


def is_suspicious(look: Look, seen: Seen) -> bool:
    """Whether the mask should be read by itself: the scene is broken, or has values of no class."""
    return bool(look.scene.masks) and (look.cut is None or bool(seen.problem or seen.residual))


def scan_mask(scene: Scene) -> Scan:
    """Read the masks of a scene by themselves, and count their values of no class."""
    found: Counter[str] = Counter()
    try:
        with raster.environment():
            for mask in scene.masks:
                found += unknown_values(mask.path, mask.palette)
    except InvalidRaster as error:
        return Scan(problem=str(error))
    return Scan(Counter(dict(found.most_common(MANY_VALUES))))


def scan_masks(looks: Sequence[Look], executor: Executor, report: Report) -> dict[str, Scan]:
    """What was found in the masks of these scenes, by scene; raises InvalidRaster where a process was killed."""
    pixels = {look.scene.id: pixels_of_masks(look) for look in looks}
    scans: dict[str, Scan] = {}
    for scene, scan in completed(executor, scan_mask, [look.scene for look in looks]):
        scans[scene.id] = scan
        report(scene.id, pixels[scene.id])
    return scans


def pixels_of_masks(look: Look) -> int:
    """How many pixels the masks of a scene have, those left out that cannot be opened."""
    found = (look.places.get(mask.path) for mask in look.scene.masks)
    return sum(place.height * place.width for place in found if place is not None)


def _parts(section: Section, classes: int) -> Iterator[Seen]:
    with open_scene(replace(section.scene, is_strict=False)) as reader:
        width = max(ROWS, affordable_width(reader, ROWS))
        for top in range(section.rows.start, section.rows.stop, ROWS):
            height = min(ROWS, section.rows.stop - top)
            for left in range(0, section.width, width):
                yield _counted(reader.read(Window(top, left, height, min(width, section.width - left))), classes)


def _counted(reading: Reading, classes: int) -> Seen:
    image, dsm, mask = reading.layers
    invalid = reading.invalid
    bands = [*image, *([] if dsm is None else dsm)]
    empty, inexact, residual = (
        0 if flags is None else int(np.count_nonzero(flags)) for flags in (invalid, reading.inexact, reading.unknown)
    )
    return Seen(
        counts=label_counts(mask, classes),
        pixels=mask.size,
        unlabelled=int(np.count_nonzero(mask == UNLABELLED)),
        empty=empty,
        inexact=inexact,
        residual=residual,
        sums=BandSums.of(bands, None if invalid is None else ~invalid),
        dtype=str(image.dtype),
    )
