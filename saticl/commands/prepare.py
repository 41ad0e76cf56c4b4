"""`prepare`: raw imagery to tiles, an index and a manifest.

Scenes are cut independently, in this process or in a pool; each leaves a part file. When all parts are there, whoever
wrote the last one joins them in the order of the scenes, so that one process, many, and the shards of a job array give
the same bytes. Running again does what is left to do.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from saticl import __version__
from saticl.commands.summary import show_summary
from saticl.config import PrepareConfig
from saticl.cutting.executor import cut_scenes
from saticl.cutting.scene import Recipe
from saticl.datasets import find
from saticl.datasets.base import DatasetAdapter, Request, Scene, Value
from saticl.datasets.folder import Folder
from saticl.display.console import console
from saticl.errors import InvalidOptions, InvalidRaster, MissingTiles
from saticl.files import write_json
from saticl.geo.statistics import BandSums
from saticl.geo.windows import grid
from saticl.tasks import protocol_to_dict
from saticl.tiles.index import INDEX, tile_from_dict, write_index
from saticl.tiles.manifest import MANIFEST, ClassEntry, Manifest, ProtocolEntry, SceneEntry, Statistics

OPTIONS = "prepare.json"
"""What a folder is being prepared with; written first."""

Record = dict[str, str | int | bool | None]


def prepare(config: PrepareConfig) -> Manifest | None:
    """Cut the scenes of a dataset; returns the manifest, or None while other shards have scenes left to cut.

    Raises MissingRawData for an incomplete download, InvalidRaster for scenes that cannot be used (after all others
    have been cut), InvalidOptions for contradictions, and for a folder that was prepared with other options.
    """
    grid(1, 1, config.tile_size, config.overlap)  # refuses an overlap that does not fit
    shard = _shard(config.shard)
    adapter = find(config.dataset)
    request = _request(config)
    options = _options(config, adapter, adapter.chosen(request))
    is_same = _is_begun_alike(config, options)
    manifest = _finished(config.dst) if is_same else None
    if manifest is not None and not config.src.exists():
        return _announced(manifest, config.dst)  # the raw imagery may be gone once everything is cut
    scenes = adapter.scenes(config.src, request)
    if manifest is not None and [entry.id for entry in manifest.scenes] == [scene.id for scene in scenes]:
        return _announced(manifest, config.dst)
    if not is_same:
        _begin(config.dst, options)
    recipe = Recipe(config.dst, config.tile_size, config.overlap, tuple(c.colour for c in adapter.classes), options)
    cut_scenes([scene for scene in scenes[shard[0] :: shard[1]] if not recipe.is_done(scene.id)], recipe, config.jobs)
    left = [scene for scene in scenes if not recipe.is_done(scene.id)]
    if left:
        console.print(f"This shard is done; {len(left)} scenes of other shards are left, then {MANIFEST} is written.")
        return None
    return _announced(_join(scenes, recipe, adapter), config.dst)


def _shard(text: str | None) -> tuple[int, int]:
    """Index from 0, and number of shards."""
    first, _, last = (text or "1/1").partition("/")
    if first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last):
        return int(first) - 1, int(last)
    raise InvalidOptions(f"--shard {text} is not understood: write i/n, from 1/n to n/n, such as 2/8.")


def _request(config: PrepareConfig) -> Request:
    choices = {"channels": config.channels, "dsm": config.dsm, "labels": config.labels}
    return Request({name: value for name, value in choices.items() if value}, config.crs, config.allow_missing)


def _options(config: PrepareConfig, adapter: DatasetAdapter, chosen: Mapping[str, Value]) -> Record:
    """All that changes the tiles, as it is written into every part."""
    is_described = isinstance(adapter, Folder)
    description = Path(config.dataset).read_bytes() if is_described else b""
    return {
        "dataset": adapter.title,
        "description": hashlib.sha256(description).hexdigest()[:16] if is_described else None,
        "src": str(config.src.resolve()),
        "channels": chosen["channels"] if config.channels else None,
        "tile_size": config.tile_size,
        "overlap": config.overlap,
        "dsm": config.dsm,
        "labels": chosen.get("labels", "full"),  # also where there is no choice, as folders begun earlier say it
        "crs": config.crs,
    }


def _is_begun_alike(config: PrepareConfig, options: Record) -> bool:
    """Whether the folder holds work with these options; other work in it is refused, or may be replaced."""
    if config.dst.resolve() == config.src.resolve():
        raise InvalidOptions(f"--src and --dst are the same folder {config.dst}: give the tiles one of their own.")
    begun = _begun(config.dst)
    has_work = any((config.dst / name).exists() for name in ("tiles", "parts", MANIFEST))
    if begun is None and has_work:
        raise InvalidOptions(f"{config.dst} holds tiles or parts of unknown origin: give --dst an empty folder.")
    if begun is not None and begun != options and has_work and not config.overwrite:
        raise InvalidOptions(_difference(config.dst, begun, options))
    return begun == options


def _begin(root: Path, options: Record) -> None:
    """Empty the folder of other work (and of nothing else) and note the options.

    The manifest goes first, so that at no moment the folder looks complete.
    """
    for name in (MANIFEST, INDEX, OPTIONS):
        (root / name).unlink(missing_ok=True)
    for name in ("parts", "tiles"):
        shutil.rmtree(root / name, ignore_errors=True)
    write_json(root / OPTIONS, options)


def _begun(root: Path) -> Record | None:
    try:
        content: Record = json.loads((root / OPTIONS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InvalidOptions(f"{root / OPTIONS} is damaged: delete the folder {root} and prepare it again.") from error
    return content


def _difference(root: Path, begun: Record, options: Record) -> str:
    changes = (
        f"{'the description' if name == 'description' else name} "
        + ("has changed" if name == "description" else f"was {begun.get(name)} and is now {value}")
        for name, value in options.items()
        if begun.get(name) != value
    )
    return (
        f"{root} was prepared with other options: {'; '.join(changes)}. "
        "Choose another --dst, or add --overwrite to replace what is there."
    )


def _finished(root: Path) -> Manifest | None:
    try:
        return Manifest.load(root) if (root / INDEX).exists() else None
    except MissingTiles:
        return None


def _join(scenes: list[Scene], recipe: Recipe, adapter: DatasetAdapter) -> Manifest:
    """Join the parts into index and manifest, in the order of the scenes."""
    parts = [_part(recipe, scene) for scene in scenes]
    kinds = {(part["dtype"], tuple(part["bands"])): part["scene"]["id"] for part in parts}
    if len(kinds) > 1:
        shown = "; ".join(f"{scene}: {dtype} {', '.join(bands)}" for (dtype, bands), scene in kinds.items())
        raise InvalidRaster(f"The scenes are of different types ({shown}): convert them to one type.")
    write_index(recipe.root, (tile_from_dict(row) for part in parts for row in part["tiles"]))
    manifest = Manifest(
        version=__version__,
        dataset=str(recipe.options["dataset"]),
        classes=tuple(ClassEntry(name=entry.name, colour=entry.colour) for entry in adapter.classes),
        background=adapter.background,
        protocols={
            protocol.name: ProtocolEntry.model_validate(protocol_to_dict(protocol)) for protocol in adapter.protocols
        },
        bands=tuple(parts[0]["bands"]),
        dtype=parts[0]["dtype"],
        statistics=_statistics(parts),
        tile_size=recipe.tile_size,
        overlap=recipe.overlap,
        views=adapter.views,
        options=recipe.options,
        scenes=tuple(SceneEntry.model_validate(part["scene"]) for part in parts),
    )
    manifest.save(recipe.root)
    return manifest


def _part(recipe: Recipe, scene: Scene) -> dict[str, Any]:
    path = recipe.part(scene.id)
    try:
        part: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MissingTiles(
            f"{path} is damaged: delete it and run `prepare` again, which cuts that scene anew."
        ) from error
    if part["options"] != recipe.options:
        raise InvalidOptions(_difference(path, part["options"], recipe.options))
    return part


def _statistics(parts: list[dict[str, Any]]) -> Statistics:
    """Over the training scenes; over all where none is for training."""
    chosen = [part for part in parts if part["scene"]["split"] == "train"] or parts
    sums = (BandSums(p["sums"]["count"], tuple(p["sums"]["sums"]), tuple(p["sums"]["squares"])) for p in chosen)
    total = reduce(add, sums)
    return Statistics(mean=total.mean, std=total.std)


def _announced(manifest: Manifest, root: Path) -> Manifest:
    show_summary(manifest, root)
    return manifest
