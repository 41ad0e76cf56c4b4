"""The table at the end of `prepare`. All its numbers are in dataset.json."""

from pathlib import Path

from rich.table import Table

from saticl.display.console import console
from saticl.tiles.manifest import Manifest, SceneEntry


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
    used = [scenes for scenes in splits.values() if scenes]
    rows = {
        "scenes": [str(len(scenes)) for scenes in used],
        "tiles": [f"{sum(scene.tiles for scene in scenes):,}" for scenes in used],
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
    for scene in manifest.scenes:
        for note in (*scene.notes, *_defects(scene)):
            console.print(f"{scene.id}: {note}", style="yellow", highlight=False, soft_wrap=True)


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
