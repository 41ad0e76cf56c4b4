"""What is wrong with a source, in sentences: what `prepare` refuses, and what it accepts although nobody wants it."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from saticl.cutting.inspected import Inspected
from saticl.cutting.join import check_alike
from saticl.datasets.base import Scene
from saticl.errors import InvalidRaster
from saticl.sentences import some_of


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, in one scene or in several."""

    text: str
    """A sentence that names an example."""
    scenes: tuple[str, ...] = ()
    """Which scenes it is about."""
    is_refused: bool = False
    """Whether `prepare` would refuse it."""


@dataclass(frozen=True)
class Value:
    """A value in masks that belongs to no class."""

    value: str
    pixels: int
    scenes: int
    scene: str
    """The one that has most of it."""
    mask: str
    """The file of that scene."""


def about(text: str, scenes: Sequence[str], total: int) -> Finding:
    """A finding that is the same in these scenes, of so many in all."""
    where = f"all {total:,} scenes" if len(scenes) == total > 1 else some_of(scenes)
    return Finding(f"{text}: {where}.", tuple(scenes))


def number_of(number: int, what: str) -> str:
    """A number with its noun: 1 scene, 2 scenes."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def broken(found: Sequence[Inspected]) -> Iterator[Finding]:
    """Scenes that cannot be used; scenes with the same problem are one finding."""
    alike: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for one in found:
        for problem in one.problems:
            alike[_shape(problem, one.scene)].append((one.scene.id, problem))
    for group in alike.values():
        yield _grouped([scene for scene, _ in group], group[0][1], is_refused=True)


def unknown_values(found: Sequence[Inspected]) -> list[Value]:
    """Values of no class over all masks, the most frequent first."""
    total = reduce(add, (one.scan.unknown for one in found), Counter[str]())
    return [_value(name, pixels, found) for name, pixels in total.most_common()]


def of_no_class(found: Sequence[Inspected], values: Sequence[Value]) -> Iterator[Finding]:
    """What masks hold besides classes."""
    scenes = tuple(one.scene.id for one in found if one.residual)
    if not scenes:
        return
    is_strict = any(one.scene.is_strict for one in found)
    pixels = sum(one.residual for one in found)
    named = [_told(one) for one in values]
    end = "add them to `classes` or to `ignore`, or repair the masks" if is_strict else "they are ignored"
    where = number_of(len(scenes), "scene")
    text = f"{number_of(pixels, 'pixel')} of masks in {where} have values of no class: {some_of(named)}; {end}."
    yield Finding(text, scenes, is_strict)


def types(found: Sequence[Inspected]) -> Iterator[Finding]:
    """Scenes of different types."""
    kinds = {(one.seen.dtype, one.scene.bands): one.scene.id for one in found if one.seen.dtype}
    try:
        check_alike(kinds)
    except InvalidRaster as error:
        yield Finding(str(error), tuple(kinds.values()), is_refused=True)


def repaired(found: Sequence[Inspected]) -> Iterator[Finding]:
    """Defects that `prepare` repairs, and scenes that would teach nothing."""
    alike: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for one in found:
        for note in one.look.notes:
            alike[_shape(note, one.scene)].append((one.scene.id, note))
    for group in alike.values():
        yield _grouped([scene for scene, _ in group], f"{group[0][0]}: {group[0][1]}.")
    inexact = [one for one in found if one.seen.inexact > one.seen.residual]
    if inexact:
        number = sum(one.seen.inexact - one.seen.residual for one in inexact)
        text = f"{number:,} mask pixels do not have the exact colour of a class, which is repaired"
        yield about(text, [one.scene.id for one in inexact], len(found))
    blank = [one.scene.id for one in found if one.look.cut and not one.seen.problem and not sum(one.seen.counts)]
    if blank:
        yield about(f"{number_of(len(blank), 'scene')} without a single pixel of a class", blank, len(found))


def absent_classes(found: Sequence[Inspected], names: Sequence[str]) -> Iterator[Finding]:
    """Classes that no scene shows, or that no scene of a split shows, where other classes are shown."""
    by_split: dict[str, list[Inspected]] = defaultdict(list)
    for one in found:
        by_split[one.scene.split].append(one)
    absent = {split: _absent(group, names) for split, group in by_split.items()}
    nowhere = _absent(found, names)
    if nowhere and len(nowhere) < len(names):
        yield Finding(f"No scene shows {', '.join(nowhere)}.")
    for split, classes in absent.items():
        here = [name for name in classes if name not in nowhere]
        if here and len(classes) < len(names):
            yield Finding(f"No {split} scene shows {', '.join(here)}.")


def _absent(found: Sequence[Inspected], names: Sequence[str]) -> list[str]:
    return [name for label, name in enumerate(names) if not any(one.seen.counts[label] for one in found)]


def incomplete(lacking: Mapping[str, Sequence[str]], complete: int, is_allowed: bool) -> Finding:
    """Scenes of which files are missing."""
    named = [f"{scene} ({', '.join(files)})" for scene, files in lacking.items()]
    advice = (
        f"add --allow-missing to cut the {number_of(complete, 'complete scene')}" if complete else "none is complete"
    )
    end = "they are left out" if is_allowed and complete else advice
    text = f"Files of {number_of(len(lacking), 'scene')} are missing: {some_of(named)}; {end}."
    return Finding(text, tuple(lacking), is_refused=not (is_allowed and complete))


def _told(one: Value) -> str:
    where = f"in {one.scene}" if one.scenes == 1 else f"in {one.scenes:,} scenes, most in {one.scene}"
    return f"{one.value} ({number_of(one.pixels, 'pixel')} {where})"


def _value(name: str, pixels: int, found: Sequence[Inspected]) -> Value:
    having = [one for one in found if one.scan.unknown[name]]
    most = max(having, key=lambda one: one.scan.unknown[name])
    return Value(name, pixels, len(having), most.scene.id, most.scene.mask or "")


def _shape(problem: str, scene: Scene) -> str:
    """A sentence without what differs from scene to scene: names of files, and numbers."""
    for file in scene.files:
        problem = problem.replace(file, "file")
    return re.sub(r"\d[\d,.]*", "#", problem)


def _grouped(scenes: list[str], example: str, is_refused: bool = False) -> Finding:
    rest = scenes[1:]
    more = f" The same in {number_of(len(rest), 'more scene')}: {some_of(rest)}." if rest else ""
    return Finding(f"{example}{more}", tuple(scenes), is_refused)
