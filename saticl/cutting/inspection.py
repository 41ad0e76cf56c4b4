"""What `prepare --check` reads of a source: every scene is opened, and all its pixels are read once, nothing written.

A scene is read in sections of rows, in this process or in others, by the same reader that tiles are cut with. So what
is counted here is what `prepare` would count, and what fails here would fail there. A scene that is broken does not
stop the others, and as much of it is looked at as can be opened.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np

from saticl.allocator import keep_freed_memory
from saticl.cutting.blocks import is_sequential
from saticl.cutting.executor import completed
from saticl.cutting.inspected import Inspected, Look, Section, Seen
from saticl.cutting.strips import affordable_width
from saticl.datasets.base import Scene
from saticl.datasets.masks import open_mask
from saticl.datasets.reader import Reading, SceneReader, open_scene
from saticl.errors import InvalidRaster
from saticl.geo import raster
from saticl.geo.places import Place, place_of
from saticl.geo.statistics import BandSums, label_counts
from saticl.geo.windows import Window
from saticl.labels import UNLABELLED

ROWS = 512
"""Rows that are read at once; the blocks of most files divide it."""

SECTION_PIXELS = 16 * 2**20
"""Pixels of a section, about: a piece of work for one process, and a step of the bar."""

MANY_VALUES = 1000
"""Values of no class that a section keeps, the most frequent ones: a photograph as a mask has millions."""


def look_at(scene: Scene) -> Look:
    """Open the files of a scene and close them again."""
    files = {"image": scene.image, "mask": scene.mask, "surface model": scene.dsm}
    places: dict[str, Place] = {}
    for kind, path in files.items():
        if path is not None:
            with suppress(InvalidRaster):  # opening the scene says it
                places[kind] = place_of(path)
    try:
        with raster.environment(), open_scene(scene) as reader:
            cut = Place(reader.height, reader.width, reader.transform, reader.crs)
            return Look(scene, places, cut, (), reader.notes)
    except InvalidRaster as error:
        return Look(scene, places, None, tuple(dict.fromkeys([*_alone(scene), str(error)])), ())


def sections_of(look: Look) -> list[Section]:
    """A scene from top to bottom; of one that cannot be opened the mask, where that can be."""
    place = look.cut or look.places.get("mask")
    if place is None:
        return []
    step = max(ROWS, SECTION_PIXELS // place.width // ROWS * ROWS)
    if is_sequential(look.scene):
        step = place.height
    tops = range(0, place.height, step)
    rows = [range(top, min(top + step, place.height)) for top in tops]
    return [Section(look.scene, part, place.width, mask_only=look.cut is None) for part in rows]


def read_section(section: Section, classes: int) -> Seen:
    """Read all pixels of a section; where that fails, `problem` says why, and what was read before is kept.

    The mask is then read by itself, so that a damaged image does not hide values of no class.
    """
    keep_freed_memory()
    nothing = Seen((0,) * classes)
    with raster.environment():
        seen = nothing if section.mask_only else _gathered(_parts(section, classes), nothing)
        if section.mask_only or seen.problem:
            mask = _gathered(_mask_parts(section, nothing), nothing)
            problem = seen.problem or mask.problem
            seen = replace(seen, unknown=mask.unknown, residual=mask.residual, problem=problem)
    return replace(seen, unknown=Counter(dict(seen.unknown.most_common(MANY_VALUES))))


def inspect(
    looks: Sequence[Look],
    classes: int,
    tiles: Callable[[int, int], int],
    executor: Executor,
    report: Callable[[str, int], None],
) -> list[Inspected]:
    """Read the pixels of all scenes; `tiles` gives the number of tiles for height and width.

    `report` is told after each section: the scene, and how many pixels were read. Raises InvalidRaster where a process
    was killed.
    """
    sections = [section for look in looks for section in sections_of(look)]
    seen: dict[Section, Seen] = {}
    for section, part in completed(executor, read_section, sections, classes):
        seen[section] = part
        report(section.scene.id, section.pixels)
    found: list[Inspected] = []
    for look in looks:
        whole = reduce(add, (seen[section] for section in sections_of(look)), Seen((0,) * classes))
        number = 0 if look.cut is None else tiles(look.cut.height, look.cut.width)
        found.append(Inspected(look, whole, number))
    return found


def _alone(scene: Scene) -> Iterator[str]:
    """What is wrong with the image alone and with the mask alone, so that one mistake does not hide the other."""
    ways: list[AbstractContextManager[object]] = [open_scene(replace(scene, mask=None))]
    if scene.mask is not None:
        ways.append(open_mask(scene.mask, scene.palette, is_strict=False))
    for way in ways:
        try:
            with way:
                pass
        except InvalidRaster as error:
            yield str(error)


def _gathered(parts: Iterator[Seen], total: Seen) -> Seen:
    """The sum of all parts, or of those before a failure, which it names."""
    try:
        for part in parts:
            total += part
    except InvalidRaster as error:
        return replace(total, problem=str(error))
    return total


def _parts(section: Section, classes: int) -> Iterator[Seen]:
    with open_scene(replace(section.scene, is_strict=False)) as reader:
        for window in _windows(section, max(ROWS, affordable_width(reader, ROWS))):
            yield _counted(reader, window, reader.read(window), classes)


def _counted(reader: SceneReader, window: Window, reading: Reading, classes: int) -> Seen:
    image, dsm, mask = reading.layers
    invalid, unknown = reading.invalid, reading.unknown
    bands = [*image, *([] if dsm is None else dsm)]
    is_known = unknown is None or reader.mask is None
    return Seen(
        counts=label_counts(mask, classes),
        pixels=mask.size,
        unlabelled=int(np.count_nonzero(mask == UNLABELLED)),
        empty=0 if invalid is None else int(np.count_nonzero(invalid)),
        inexact=0 if reading.inexact is None else int(np.count_nonzero(reading.inexact)),
        residual=0 if unknown is None else int(np.count_nonzero(unknown)),
        unknown=Counter() if is_known or reader.mask is None else reader.mask.unknown_values(window),
        sums=BandSums.of(bands, None if invalid is None else ~invalid),
        dtype=str(image.dtype),
    )


def _mask_parts(section: Section, nothing: Seen) -> Iterator[Seen]:
    scene = section.scene
    if scene.mask is None:
        return
    with open_mask(scene.mask, scene.palette, is_strict=False) as mask:
        for window in _windows(section, section.width):
            if mask.read(window).unknown is not None:
                unknown = mask.unknown_values(window)
                yield replace(nothing, unknown=unknown, residual=unknown.total())


def _windows(section: Section, width: int) -> Iterator[Window]:
    """Pieces of at most ROWS rows and of this width."""
    for top in range(section.rows.start, section.rows.stop, ROWS):
        height = min(ROWS, section.rows.stop - top)
        for left in range(0, section.width, width):
            yield Window(top, left, height, min(width, section.width - left))
