"""The table at the end of `prepare`. All its numbers are in dataset.json."""

from pathlib import Path

from rich.table import Table

from saticl.display.console import console
from saticl.sentences import some_of
from saticl.tiles.manifest import Manifest, SceneEntry

NAMED = 3
"""Scenes that are named beside a note."""


def show_summary(manifest: Manifest, root: Path) -> None:
    """Print scenes, tiles, class shares and defects per split."""
    splits = {
        split: [scene for scene in manifest.scenes if scene.split == split] for split in ("train", "val", "test")
    }
    table = Table()
    table.add_column("")
    for split, scenes in splits.items():
        if scenes:
            table.add_column(split, justify="right")
    skipped = sum(scene.skipped for scene in manifest.scenes)
    used = [scenes for scenes in splits.values() if scenes]
    rows = {
        "scenes": [str(len(scenes)) for scenes in used],
        "tiles": [f"{sum(scene.tiles for scene in scenes):,}" for scenes in used],
        **({"tiles left out": [str(sum(scene.skipped for scene in scenes)) for scenes in used]} if skipped else {}),
        "megapixels": [f"{_pixels(scenes) / 1e6:,.1f}" for scenes in used],
        **{
            f"{name} %": [_share(sum(scene.counts[label] for scene in scenes), scenes) for scenes in used]
            for label, name in enumerate(manifest.class_names)
        },
        **_unlabelled(used),
        "ignored %": [_share(sum(scene.ignored for scene in scenes), scenes) for scenes in used],
        "pixels of other colours": [f"{sum(scene.inexact for scene in scenes):,}" for scenes in used],
        "of no class": [f"{sum(scene.residual for scene in scenes):,}" for scenes in used],
    }
    for name, values in rows.items():
        table.add_row(name, *values)
    console.print(f"{manifest.dataset}, prepared in {root}", highlight=False, soft_wrap=True)
    console.print(table)
    for line in (*_bits(manifest), *_notes(manifest)):
        console.print(line, style="yellow", highlight=False, soft_wrap=True)


def _bits(manifest: Manifest) -> list[str]:
    """How much of 16 bits is used, where it is less: sensors often give 11 or 12."""
    highest = manifest.statistics.highest[: len(manifest.bands) - manifest.has_dsm]
    used = int(max(highest, default=0)).bit_length()
    if manifest.dtype != "uint16" or not 0 < used < 16:
        return []
    return [f"The values use {used} of 16 bits: the largest is {max(highest):,.0f}."]


def _notes(manifest: Manifest) -> list[str]:
    """What is said of scenes; what is said of many is said once."""
    scenes: dict[str, list[str]] = {}
    for scene in manifest.scenes:
        for note in (*scene.notes, *_defects(scene)):
            scenes.setdefault(note, []).append(scene.id)
    return [f"{some_of(names, NAMED)}: {note}" for note, names in scenes.items()]


def _unlabelled(used: list[list[SceneEntry]]) -> dict[str, list[str]]:
    """A row where nobody has drawn anything, if there is such a place."""
    pixels = [sum(scene.unlabelled for scene in scenes) for scenes in used]
    shares = [_share(number, scenes) for number, scenes in zip(pixels, used, strict=True)]
    return {"unlabelled %": shares} if any(pixels) else {}


def _defects(scene: SceneEntry) -> list[str]:
    if not scene.inexact:
        return []
    rest = f"{scene.residual:,} belong to no class and are ignored" if scene.residual else "all were repaired"
    return [f"{scene.inexact:,} label pixels do not have the exact colour of a class: {rest}"]


def _pixels(scenes: list[SceneEntry]) -> int:
    return sum(scene.height * scene.width for scene in scenes)


def _share(pixels: int, scenes: list[SceneEntry]) -> str:
    """In percent, and in pixels, because a share of 0.00 may be all there is of a class."""
    return f"{100 * pixels / _pixels(scenes):.2f} ({pixels:,})"
