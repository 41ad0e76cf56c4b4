"""`prepare --check`: read a source as `prepare` would, and say all that is there, lacks or is wrong; write nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from saticl.commands.check_report import Checked, show_checked, to_record
from saticl.commands.raw_scenes import is_whole, raw_scenes
from saticl.config import PrepareConfig
from saticl.cutting import findings as wrong
from saticl.cutting import ground_findings as misplaced
from saticl.cutting.executor import local_executor
from saticl.cutting.findings import Finding, Value
from saticl.cutting.ground_findings import Overlap
from saticl.cutting.inspected import Inspected, Look, Scan
from saticl.cutting.inspection import is_suspicious, look_at, pixels_of_masks, read_scenes, scan_masks, sections_of
from saticl.datasets.base import DatasetAdapter, Request, Scene
from saticl.datasets.listing import located
from saticl.display.console import console
from saticl.display.scene_bar import PAUSE_S, SceneBar
from saticl.errors import InvalidOptions, MissingRawData, UnusableSource
from saticl.files import write_json
from saticl.geo.windows import grid


def check_source(config: PrepareConfig, adapter: DatasetAdapter, request: Request, refusals: Sequence[str]) -> None:
    """Print what was found, whole; `refusals` are known reasons why the tiles could not be written.

    Raises UnusableSource afterwards where `prepare` would refuse, InvalidOptions before anything is read where the
    options contradict each other or the source.
    """
    _check_place(config)
    known = [Finding(refusal, is_refused=True) for refusal in refusals]
    scenes, missing = _scenes(config, adapter, request)
    found = _inspected(config, adapter, [look_at(scene) for scene in _shown(scenes)])
    names = tuple(entry.name for entry in adapter.classes)
    values, overlaps = wrong.unknown_values(found), misplaced.overlaps(found)
    findings = [*known, *missing, *_findings(found, values, overlaps, names)]
    checked = Checked(adapter.title, config, is_whole(config, adapter), names, found, findings, values, overlaps)
    show_checked(checked)
    if config.check_json is not None:
        write_json(config.check_json, to_record(checked))
    refused = [finding for finding in findings if finding.is_refused]
    if refused:
        number = wrong.number_of(len(refused), "problem")
        raise UnusableSource(f"`prepare` would refuse {config.src}: correct the {number} above.")


def _check_place(config: PrepareConfig) -> None:
    if config.check_json is None:
        return
    file = config.check_json.resolve()
    for folder in (located(config.src), config.dst):
        if isinstance(folder, Path) and file.is_relative_to(folder.resolve()):
            raise InvalidOptions(f"--check-json {config.check_json} lies in {folder}: choose a file outside of it.")


def _scenes(config: PrepareConfig, adapter: DatasetAdapter, request: Request) -> tuple[list[Scene], list[Finding]]:
    """The complete scenes, and what the others lack."""
    try:
        return raw_scenes(config, adapter, replace(request, allow_missing=False)), []
    except MissingRawData as error:
        refused = Finding(str(error), tuple(error.lacking), is_refused=True)
        try:
            scenes = raw_scenes(config, adapter, replace(request, allow_missing=True))
        except MissingRawData:
            return [], [refused]
        return scenes, [wrong.incomplete(error.lacking, len(scenes), request.allow_missing)]


def _shown(scenes: list[Scene]) -> Iterator[Scene]:
    """The scenes, with a bar while they are opened."""
    columns = (TextColumn("opening scenes"), BarColumn(bar_width=24), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(scenes)


def _inspected(config: PrepareConfig, adapter: DatasetAdapter, looks: list[Look]) -> list[Inspected]:
    classes = len(adapter.classes)
    side = None if is_whole(config, adapter) else config.side
    sections = [section for look in looks for section in sections_of(look)]
    with local_executor(config.jobs, len(sections)) as executor:
        with _bar("reading", sum(section.pixels for section in sections)) as bar:
            seen = read_scenes(looks, classes, executor, bar.finished)
        pairs = list(zip(looks, seen, strict=True))
        suspicious = [look for look, counted in pairs if is_suspicious(look, counted)]
        with _bar("masks", sum(map(pixels_of_masks, suspicious))) as bar:
            scans = scan_masks(suspicious, executor, bar.finished)
    return [
        Inspected(look, counted, scans.get(look.scene.id, Scan()), _number_of_tiles(look, side, config.shared))
        for look, counted in pairs
    ]


def _bar(title: str, pixels: int) -> SceneBar:
    return SceneBar(title, pixels, "Mpx", 10**6, PAUSE_S)


def _number_of_tiles(look: Look, side: int | None, overlap: int) -> int:
    place = look.cut
    if place is None:
        return 0
    return 1 if side is None else len(grid(place.height, place.width, side, overlap))


def _findings(
    found: list[Inspected], values: list[Value], overlaps: list[Overlap], names: tuple[str, ...]
) -> Iterator[Finding]:
    yield from wrong.broken(found)
    yield from wrong.of_no_class(found, values)
    yield from wrong.types(found)
    yield from misplaced.overlapping(overlaps)
    yield from misplaced.places(found)
    yield from wrong.absent_classes(found, names)
    yield from wrong.repaired(found)
