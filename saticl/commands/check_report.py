"""What `prepare --check` prints, and the record it writes on request. Many scenes are summed up, a few are named."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial, reduce
from operator import add

from rich.table import Table
from rich.text import Text

from saticl.config import PrepareConfig
from saticl.cutting.findings import Finding, Value, number_of
from saticl.cutting.ground_findings import Overlap
from saticl.cutting.inspected import Inspected
from saticl.display.console import console
from saticl.geo.ground import ground_size
from saticl.geo.statistics import BandSums
from saticl.sentences import some_of
from saticl.tiles.manifest import DSM

KINDS = 3
"""Sizes, types and coordinate systems that are named, the most frequent ones."""


@dataclass(frozen=True)
class Checked:
    """A source that was read."""

    dataset: str
    config: PrepareConfig
    is_whole: bool
    """Whether images would be used whole, instead of being cut into tiles."""
    classes: tuple[str, ...]
    found: Sequence[Inspected]
    findings: Sequence[Finding]
    values: Sequence[Value]
    """Values of no class in masks."""
    overlaps: Sequence[Overlap]

    @property
    def is_usable(self) -> bool:
        """Whether `prepare` would succeed."""
        return not any(finding.is_refused for finding in self.findings)

    @property
    def statistics(self) -> BandSums | None:
        """Sums over the bands of the training scenes, over all where none is for training; None for mixed types."""
        if len({one.seen.dtype for one in self.found if one.seen.dtype}) > 1:
            return None
        chosen = [one for one in self.found if one.scene.split == "train"] or self.found
        sums = [one.seen.sums for one in chosen if one.seen.sums is not None]
        return reduce(add, sums) if sums else None

    @property
    def bands(self) -> tuple[str, ...]:
        """All bands, that of the heights last."""
        if not self.found:
            return ()
        scene = self.found[0].scene
        return (*scene.bands, *([] if scene.dsm is None else [DSM]))


def show_checked(checked: Checked) -> None:
    """Print what is there, then what is wrong, then what would be cut."""
    config = checked.config
    scenes = number_of(len(checked.found), "scene")
    _line(f"{checked.dataset}: {scenes} in {config.src}; only looked at, nothing is written")
    if checked.found:
        console.print(_table(checked))
        console.print(_facts(checked))
    for is_refused, title, style in ((True, "problems", "red"), (False, "notes", "yellow")):
        chosen = [finding for finding in checked.findings if finding.is_refused == is_refused]
        if chosen:
            _line(f"{title}:", f"bold {style}")
        for finding in chosen:
            _line(f"- {finding.text}", style)
    if checked.is_usable:
        tiles = sum(one.tiles for one in checked.found)
        # Which tiles hold too little data is known only when they are cut.
        number = f"at most {tiles:,}" if config.min_valid else f"{tiles:,}"
        what = f"cut {number} tiles of {config.side} pixels, overlap {config.shared}"
        if checked.is_whole:
            what = f"use {number} images whole and leave them where they are"
        _line(f"`prepare` would {what}.", "green")


def to_record(checked: Checked) -> dict[str, object]:
    """All that was found, for write_json."""
    sums = checked.statistics
    return {
        "format": 1,
        "dataset": checked.dataset,
        "src": checked.config.src,
        "usable": checked.is_usable,
        "classes": checked.classes,
        "bands": checked.bands,
        "statistics": None if sums is None else {"mean": sums.mean, "std": sums.std},
        "tile_size": None if checked.is_whole else checked.config.side,
        "overlap": 0 if checked.is_whole else checked.config.shared,
        "findings": [asdict(finding) for finding in checked.findings],
        "unknown_values": [asdict(value) for value in checked.values],
        "overlaps": [
            {"scenes": [pair.one.id, pair.other.id], "splits": [pair.one.split, pair.other.split], "share": pair.share}
            for pair in checked.overlaps
        ],
        "scenes": [_scene_record(one) for one in checked.found],
    }


def _scene_record(one: Inspected) -> dict[str, object]:
    scene, seen, place = one.scene, one.seen, one.look.cut or one.look.own
    return {
        "id": scene.id,
        "group": scene.group,
        "split": scene.split,
        "image": scene.image,
        "mask": scene.mask,
        "dsm": scene.dsm,
        "height": None if place is None else place.height,
        "width": None if place is None else place.width,
        "dtype": seen.dtype or None,
        "crs": None if place is None else place.system,
        "transform": list(place.transform)[:6] if place is not None and place.has_transform else None,
        "ground_size_m": None if place is None else ground_size(place.transform, place.crs),
        "tiles": one.tiles,
        "pixels": seen.pixels,
        "counts": seen.counts,
        "unlabelled": seen.unlabelled,
        "no_data": seen.empty,
        "inexact": seen.inexact,
        "residual": one.residual,
        "problems": one.problems,
        "notes": one.look.notes,
    }


def _table(checked: Checked) -> Table:
    by_split = {
        split: [one for one in checked.found if one.scene.split == split] for split in ("train", "val", "test")
    }
    used = {split: group for split, group in by_split.items() if group}
    table = Table()
    table.add_column("")
    for split in used:
        table.add_column(split, justify="right")

    def row(name: str, value: Callable[[list[Inspected]], str], is_wanted: bool = True) -> None:
        if is_wanted:
            table.add_row(name, *(value(group) for group in used.values()))

    groups = {one.scene.group for one in checked.found}
    row("scenes", lambda group: f"{len(group):,}")
    row("groups", lambda group: f"{len({one.scene.group for one in group}):,}", len(groups) < len(checked.found))
    tiles = "tiles, at most" if checked.config.min_valid else "tiles"
    row(tiles, lambda group: f"{sum(one.tiles for one in group):,}")
    row("megapixels", lambda group: f"{_pixels(group) / 1e6:,.1f}")
    for label, name in enumerate(checked.classes):
        row(f"{name} %", partial(_class_share, label=label))
    unlabelled = any(one.seen.unlabelled for one in checked.found)
    row("not labelled %", lambda group: _share(group, lambda one: one.seen.unlabelled), unlabelled)
    row("ignored %", lambda group: _share(group, _ignored))
    empty = any(one.seen.empty for one in checked.found)
    row("of it without data %", lambda group: _share(group, lambda one: one.seen.empty), empty)
    residual = any(one.residual for one in checked.found)
    row("pixels of no class", lambda group: f"{sum(one.residual for one in group):,}", residual)
    return table


def _facts(checked: Checked) -> Table:
    """What images are like."""
    cut = [one.look.cut or one.look.own for one in checked.found]
    places = [place for place in cut if place is not None]
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    sums = checked.statistics
    bands = ", ".join(checked.bands)
    if sums is not None:
        numbers = zip(checked.bands, sums.mean, sums.std, strict=True)
        bands = ", ".join(f"{band} {mean:.4g} ± {std:.3g}" for band, mean, std in numbers)
    sizes = [ground_size(place.transform, place.crs) for place in places]
    rows = {
        "pixels": _kinds(f"{place.width} x {place.height}" for place in places),
        "bands": bands,
        "type": _kinds(one.seen.dtype for one in checked.found if one.seen.dtype),
        "system": _kinds(place.system or "none" for place in places),
        "pixel on the ground": _kinds("not known" if size is None else f"{size:.3g} m" for size in sizes),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _kinds(values: Iterable[str]) -> str:
    """The most frequent values, with their number of scenes where there are several."""
    counts = Counter(values)
    if len(counts) < 2:
        return next(iter(counts), "not known")
    return some_of((f"{value} ({number_of(number, 'scene')})" for value, number in counts.most_common()), KINDS)


def _pixels(group: list[Inspected]) -> int:
    return sum(one.seen.pixels for one in group)


def _ignored(one: Inspected) -> int:
    return one.seen.pixels - sum(one.seen.counts) - one.seen.unlabelled


def _share(group: list[Inspected], number: Callable[[Inspected], int]) -> str:
    return f"{100 * sum(map(number, group)) / max(_pixels(group), 1):.2f}"


def _class_share(group: list[Inspected], label: int) -> str:
    return _share(group, lambda one: one.seen.counts[label])


def _line(text: str, style: str = "") -> None:
    """A paragraph: broken between words on a terminal, in one line elsewhere."""
    console.print(Text(text), style=style, soft_wrap=not console.is_terminal)
