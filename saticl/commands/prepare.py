"""`prepare`: raw imagery to tiles, an index and a manifest.

Photographs and street scenes are not cut: their masks are decoded, and the index names the images where they lie.
Other scenes are cut in blocks of rows, in this process or in a pool; each block leaves a part file. When all parts are
there, whoever wrote the last one joins them in the order of the scenes, so that one process, many, and the shards of a
job array give the same bytes. Running again does what is left to do, and cuts anew what was lost or
damaged, and scenes whose files have changed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from saticl.commands.check_source import check_source
from saticl.commands.cluster import cluster_executor
from saticl.commands.raw_scenes import is_whole, raw_scenes
from saticl.commands.shards import parse_shard
from saticl.commands.summary import show_summary
from saticl.config import PrepareConfig
from saticl.cutting.checks import damaged_files
from saticl.cutting.executor import local_executor, raise_failures
from saticl.cutting.folder import State, begin, finished, reopen, state_of, sweep
from saticl.cutting.join import join
from saticl.cutting.recipe import Asked, Recipe
from saticl.cutting.survey import Failures
from saticl.cutting.work import ImageWork, TileWork, Work
from saticl.datasets import find
from saticl.datasets.base import DatasetAdapter, Request, Scene, Value
from saticl.datasets.folder import Folder
from saticl.datasets.listing import located
from saticl.display.console import console
from saticl.display.scene_bar import SceneBar
from saticl.errors import InvalidOptions, MissingTiles
from saticl.geo.grids import Wanted
from saticl.geo.windows import grid
from saticl.tiles.index import read_index
from saticl.tiles.manifest import MANIFEST, Manifest


def prepare(config: PrepareConfig) -> Manifest | None:
    """Cut the scenes of a dataset; returns the manifest, or None while other shards have scenes left to cut.

    With --check nothing is cut, see `check_source`.

    Raises MissingRawData for an incomplete download, InvalidRaster for scenes that cannot be used and UnwritableFile
    for a full disk (after all others have been cut), InvalidOptions for contradictions, and for a folder that was
    prepared with other options, MissingTiles where tiles are damaged and the raw imagery is gone.
    """
    grid(1, 1, config.side, config.shared)  # refuses an overlap that does not fit
    shard = parse_shard(config.shard)
    Wanted(config.gsd, config.target_crs).check()
    adapter = find(config.dataset)
    request = _request(config)
    chosen = adapter.chosen(request)
    if config.check:
        check_source(config, adapter, request, [] if config.dst is None else _refusals(config, adapter, chosen))
        return None
    if config.check_json is not None:
        raise InvalidOptions("--check-json is the file that --check writes: add --check, or leave it out.")
    recipe = _recipe(config, adapter, chosen)
    state = _state(config, recipe)
    manifest = finished(config.tiles) if state == "same" else None
    source = located(config.src)
    if manifest is not None and isinstance(source, Path) and not source.exists():
        _check_without_source(config, manifest)
        return _announced(manifest, config.tiles)  # the raw imagery may be gone once everything is cut
    scenes = raw_scenes(config, adapter, request)
    if state != "same":
        begin(config.tiles, recipe.options)
        if state == "other" and shard == (0, 1):
            sweep(config.tiles, keep=frozenset())  # nobody else works here: make room before, not after
    return _cut(config, recipe, adapter, scenes, shard)


def _state(config: PrepareConfig, recipe: Recipe) -> State:
    if config.tiles.resolve() == Path(located(config.src)).resolve():
        raise InvalidOptions(
            f"--src and --dst are the same folder {config.tiles}: choose another folder for the tiles."
        )
    return state_of(config.tiles, recipe.options, config.overwrite)


def _refusals(config: PrepareConfig, adapter: DatasetAdapter, chosen: Mapping[str, Value]) -> list[str]:
    """Why tiles may not be written to --dst."""
    try:
        _state(config, _recipe(config, adapter, chosen))
    except InvalidOptions as error:
        return [str(error)]
    return []


def _cut(
    config: PrepareConfig, recipe: Recipe, adapter: DatasetAdapter, scenes: list[Scene], shard: tuple[int, int]
) -> Manifest | None:
    work: Work = (ImageWork if recipe.tile_size is None else TileWork)(scenes, recipe, shard)
    for told in (_outdated(work.outdated), _repairing(work.damaged)):
        if told:
            console.print(told, style="yellow", highlight=False, soft_wrap=True)
            reopen(recipe.root)
    failed = _do(work, config)
    raise_failures({scene.id: failed[scene.id] for scene in scenes if scene.id in failed}, recipe.root)
    if not work.is_done():
        raise MissingTiles(
            f"Some tiles in {recipe.root} were written and are now missing or incomplete: make sure that the disk "
            "has free space and that no other program writes there, then run the same command again."
        )
    of_others = work.of_others()
    if of_others:
        scenes_left = "1 scene" if len(of_others) == 1 else f"{len(of_others)} scenes"
        console.print(f"This shard is done. Other shards still cut {scenes_left}; the last one writes {MANIFEST}.")
        return None
    manifest = finished(recipe.root)
    if manifest is None or work.pieces or [entry.id for entry in manifest.scenes] != [scene.id for scene in scenes]:
        manifest = join(work.parts(), recipe, adapter)
    return _announced(manifest, recipe.root)


def _do(work: Work, config: PrepareConfig) -> Failures:
    elsewhere = config.cluster is not None and work.pieces > 0
    hands = cluster_executor(config.cluster or "") if elsewhere else local_executor(config.jobs, work.pieces)
    with hands as executor, SceneBar(work.title, work.tiles, work.unit) as bar:
        return work.do(executor, bar.finished)


def _outdated(scenes: Sequence[str]) -> str:
    """What is said where source files have changed, else nothing."""
    if not scenes:
        return ""
    number = "1 scene" if len(scenes) == 1 else f"{len(scenes):,} scenes"
    return f"Files of {number} have changed since tiles were cut, for example of {scenes[0]}. This is cut again now."


def _repairing(damaged: Sequence[str]) -> str:
    """What is said where tiles are damaged, else nothing."""
    if not damaged:
        return ""
    return f"{_number(damaged)} missing or damaged, for example {damaged[0]}. This is cut again now."


def _check_without_source(config: PrepareConfig, manifest: Manifest) -> None:
    """Raises MissingTiles for tiles that only the raw imagery could bring back, and for images that lie only there."""
    manifest.require_originals(config.tiles)
    damaged = damaged_files(config.tiles, read_index(config.tiles))
    if damaged:
        raise MissingTiles(
            f"{_number(damaged)} missing or damaged in {config.tiles}, for example {damaged[0]}: copy the raw imagery "
            f"back to {config.src} and run the same command again. It cuts what is missing."
        )


def _number(files: Sequence[str]) -> str:
    return "1 file is" if len(files) == 1 else f"{len(files):,} files are"


def _request(config: PrepareConfig) -> Request:
    choices = {"channels": config.channels, "dsm": config.dsm, "labels": config.labels}
    return Request({name: value for name, value in choices.items() if value}, config.crs, config.allow_missing)


def _recipe(config: PrepareConfig, adapter: DatasetAdapter, chosen: Mapping[str, Value]) -> Recipe:
    colours = tuple(entry.colour for entry in adapter.classes)
    options = _options(config, adapter, chosen)
    if is_whole(config, adapter):
        return Recipe(config.tiles, None, 0, colours, options, config.min_valid, Path(located(config.src)))
    return Recipe(config.tiles, config.side, config.shared, colours, options, config.min_valid)


def _options(config: PrepareConfig, adapter: DatasetAdapter, chosen: Mapping[str, Value]) -> Asked:
    """All that changes the tiles, as it is written into every part."""
    is_described = isinstance(adapter, Folder)
    description = Path(config.dataset).read_bytes() if is_described else b""
    return {
        "dataset": adapter.title,
        "description": hashlib.sha256(description).hexdigest()[:16] if is_described else None,
        "src": str(located(config.src)),
        "channels": chosen["channels"] if config.channels else None,
        "tile_size": None if is_whole(config, adapter) else config.side,
        "overlap": 0 if is_whole(config, adapter) else config.shared,
        "dsm": config.dsm,
        "labels": chosen.get("labels", "full"),  # also where there is no choice, as folders begun earlier say it
        "crs": config.crs,
    } | _of_rasters(config)


def _of_rasters(config: PrepareConfig) -> Asked:
    """Options that came later: folders that were begun without them do not have them."""
    later: Asked = {
        "gsd": config.gsd,
        "target_crs": config.target_crs,
        "nodata": config.nodata,
        "min_valid": config.min_valid or None,
    }
    return {name: value for name, value in later.items() if value is not None}


def _announced(manifest: Manifest, root: Path) -> Manifest:
    show_summary(manifest, root)
    return manifest
