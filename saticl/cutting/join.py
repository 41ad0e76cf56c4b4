"""Parts joined into index and manifest, in the order of the scenes and of their blocks, whoever cut them."""

from collections.abc import Mapping
from functools import reduce
from operator import add

from saticl import __version__
from saticl.cutting.folder import sweep
from saticl.cutting.parts import Part
from saticl.cutting.recipe import ORIGINALS, Recipe
from saticl.datasets.base import DatasetAdapter
from saticl.errors import InvalidRaster
from saticl.geo.statistics import BandSums
from saticl.protocol_files import protocol_to_dict
from saticl.tiles.index import write_index
from saticl.tiles.manifest import ClassEntry, Manifest, ProtocolEntry, SceneEntry, Statistics

Scenes = list[list[Part]]
"""Per scene, the parts of its blocks."""


def join(scenes: Scenes, recipe: Recipe, adapter: DatasetAdapter) -> Manifest:
    """Write index and manifest over all scenes, and sweep away what belongs to neither.

    Raises InvalidRaster for scenes of different types and where no tile is left.
    """
    check_alike({(of_scene[0].scene.dtype, of_scene[0].scene.bands): of_scene[0].scene.id for of_scene in scenes})
    parts = [part for of_scene in scenes for part in of_scene]
    if not any(part.tiles for part in parts):
        raise InvalidRaster(
            f"No tile of {recipe.root} holds data in so many of its pixels: choose a smaller --min-valid."
        )
    write_index(recipe.root, (tile for part in parts for tile in part.tiles))
    first = parts[0].scene
    manifest = Manifest.model_validate(
        {
            "version": __version__,
            "dataset": str(recipe.options["dataset"]),
            "licence": adapter.licence,
            "citation": adapter.citation,
            "classes": tuple(ClassEntry(name=entry.name, colour=entry.colour) for entry in adapter.classes),
            "background": adapter.background,
            "protocols": {
                protocol.name: ProtocolEntry.model_validate(protocol_to_dict(protocol))
                for protocol in adapter.protocols
            },
            "bands": first.bands,
            "dtype": first.dtype,
            "statistics": _statistics(parts),
            "tile_size": recipe.tile_size,
            "overlap": recipe.overlap,
            "roots": {} if recipe.originals is None else {ORIGINALS: str(recipe.originals)},
            "views": adapter.views,
            "options": recipe.options,
            "scenes": tuple(_entry(of_scene) for of_scene in scenes),
        }
    )
    sweep(recipe.root, _belonging(recipe, parts))
    manifest.save(recipe.root)
    return manifest


def check_alike(kinds: Mapping[tuple[str, tuple[str, ...]], str]) -> None:
    """Raise InvalidRaster for scenes of several types or bands; `kinds` names a scene of each."""
    if len(kinds) > 1:
        shown = "; ".join(f"{scene}: {dtype} {', '.join(bands)}" for (dtype, bands), scene in kinds.items())
        raise InvalidRaster(f"The scenes have different types ({shown}): convert them to one type.")


def _entry(parts: list[Part]) -> SceneEntry:
    """What the manifest says of a scene."""
    scene = parts[0].scene
    counts = tuple(sum(numbers) for numbers in zip(*(part.counted.counts for part in parts), strict=True))
    unlabelled = sum(part.counted.unlabelled for part in parts)
    used = sum(counts) + unlabelled
    return SceneEntry(
        id=scene.id,
        group=scene.group,
        split=scene.split,
        height=scene.height,
        width=scene.width,
        tiles=sum(len(part.tiles) for part in parts),
        skipped=sum(part.skipped for part in parts),
        counts=counts,
        ignored=scene.height * scene.width - used,
        unlabelled=unlabelled,
        inexact=sum(part.counted.inexact for part in parts),
        residual=sum(part.counted.residual for part in parts),
        crs=scene.crs,
        transform=scene.transform,
        notes=(*scene.notes, *(() if used else ("the mask holds no class: every pixel is ignored",))),
    )


def _statistics(parts: list[Part]) -> Statistics:
    """Over the training scenes; over all where none is for training."""
    chosen = [part for part in parts if part.scene.split == "train"] or parts
    total: BandSums = reduce(add, (part.counted.band_sums for part in chosen))
    return Statistics(mean=total.mean, std=total.std, highest=total.highest)


def _belonging(recipe: Recipe, parts: list[Part]) -> set[str]:
    """The names of all tiles and parts that belong in the folder."""
    records = {recipe.part(part.scene.id, part.block).relative_to(recipe.root).as_posix() for part in parts}
    return records | {name for part in parts for tile in part.tiles for name in tile.own}
