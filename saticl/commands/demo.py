"""`demo`: a synthetic city in the raw layout of Potsdam or Vaihingen, to try everything without a download."""

import json
import shlex
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from saticl import __version__
from saticl.city import draw_city
from saticl.city.raw import LAYOUTS, Layout, world_file, write_scene
from saticl.config import DemoConfig
from saticl.display.console import console
from saticl.errors import InvalidOptions
from saticl.files import write_json

MARKER = "demo.json"
"""Says that a folder was written by this command, and with which options."""

Settings = dict[str, str | int]


def demo(config: DemoConfig) -> None:
    """Write the city; what an earlier run with the same options has finished is kept.

    Raises InvalidOptions for more scenes than the layout has, and for a folder that holds anything else.
    """
    layout = LAYOUTS[config.layout]
    scenes = layout.scenes(config.scenes)
    _claim(config)
    missing = [scene for scene in scenes if not all(path.exists() for path in _files(config.dst, layout, scene))]
    columns = (TextColumn("drawing scenes"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        for scene in progress.track(missing):
            write_scene(config.dst, layout, scene, draw_city(config.size, config.seed, scene))
    _announce(config, layout, scenes)


def _claim(config: DemoConfig) -> None:
    """Mark the folder as ours; the scenes of an earlier demo with other options are removed."""
    options: Settings = {"version": __version__, **config.model_dump(mode="json", exclude={"dst"})}
    marker = config.dst / MARKER
    earlier = _read(marker)
    if earlier is None and config.dst.exists() and (not config.dst.is_dir() or any(config.dst.iterdir())):
        raise InvalidOptions(
            f"{config.dst} already holds files that are not from an earlier demo: "
            "choose a new or empty folder with --dst."
        )
    if earlier is not None and earlier != options:
        for layout in LAYOUTS.values():
            for scene in (*layout.train, *layout.test):
                _remove(config.dst, layout, scene)
    if earlier != options:
        write_json(marker, options)


def _read(marker: Path) -> Settings | None:
    """The options of an earlier demo, None where there was none."""
    try:
        options = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return options if isinstance(options, dict) and "layout" in options else None


def _files(root: Path, layout: Layout, scene: str) -> list[Path]:
    images = [root / name for name in layout.paths(scene)]
    return images + [world_file(image) for image in images]


def _remove(root: Path, layout: Layout, scene: str) -> None:
    for path in _files(root, layout, scene):
        path.unlink(missing_ok=True)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _announce(config: DemoConfig, layout: Layout, scenes: list[str]) -> None:
    tests = sum(scene in layout.test for scene in scenes)
    console.print(
        f"A synthetic city in {layout.title}'s layout is in {config.dst}: {len(scenes) - tests} training and {tests} "
        f"test scenes of {config.size} x {config.size} pixels.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    tiles = config.dst.with_name(f"{config.dst.name}-tiles")
    command = ["python", "run.py", "prepare", "--src", str(config.dst), "--dst", str(tiles), "--allow-missing"]
    if config.layout != "potsdam":
        command += ["--dataset", config.layout]
    console.print("Next: " + shlex.join(command), highlight=False, markup=False, soft_wrap=True)
