"""One block of a scene to tiles: what runs in this process or in another.

Tiles are written one by one, each complete or not there; the part follows last, and its presence says that the block
is done. An image that is used whole is a single tile, of which mostly the mask alone is written.
"""

from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saticl.cutting.behind import WriteBehind
from saticl.cutting.blocks import Block
from saticl.cutting.folder import remove_if_empty
from saticl.cutting.parts import Counted, Part, SceneFacts, read_part, write_part
from saticl.cutting.recipe import ORIGINALS, TILES, Recipe
from saticl.cutting.strips import Cell, Strip, crop, strips
from saticl.datasets.base import Scene
from saticl.datasets.reader import Reading, SceneReader, open_scene
from saticl.datasets.stamps import Stamps, stamps
from saticl.files import Fingerprint
from saticl.geo import raster
from saticl.geo.palette import Flags
from saticl.geo.raster import Array
from saticl.geo.statistics import BandSums, label_counts
from saticl.geo.windows import Window
from saticl.labels import IGNORE, UNLABELLED, UNLABELLED_COLOUR, Colour
from saticl.tiles.index import Tile
from saticl.tiles.manifest import DSM


def cut_block(block: Block, recipe: Recipe) -> None:
    """Cut one block and write its part.

    Raises InvalidRaster for a scene that cannot be used, UnwritableFile where the disk is full; then it leaves no tile
    behind.
    """
    recipe.part(block.scene.id, block.number).unlink(missing_ok=True)  # its tiles are about to change
    sources = stamps(block.scene.files)  # before they are opened: what changes from now on is noticed by the next run
    with raster.environment(), open_scene(block.scene) as reader:
        disk = WriteBehind()
        writer = Writer(block.scene, reader, recipe, disk)
        try:
            with disk:
                part = cut(block, reader, writer, sources)
            write_part(recipe, part)
        except BaseException:
            if not recipe.part(block.scene.id, block.number).exists():  # then another process has finished it
                _remove(recipe, block.scene, writer.written)
            raise


def forget_block(block: Block, recipe: Recipe) -> None:
    """Remove a block that was cut, its part first, so that at no moment it looks finished without its tiles."""
    part = read_part(recipe, block.scene.id, block.number)
    if part is not None:
        path = recipe.part(block.scene.id, block.number)
        path.unlink(missing_ok=True)
        remove_if_empty(path.parent)
        _remove(recipe, block.scene, [recipe.root / name for tile in part.tiles for name in tile.own])


def _remove(recipe: Recipe, scene: Scene, files: list[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)
    remove_if_empty(recipe.root / TILES / scene.id)


def cut(block: Block, reader: SceneReader, writer: "Writer", sources: Stamps) -> Part:
    """Write the tiles of a block of an open scene, and count its pixels; its part is not written."""
    recipe, scene = writer.recipe, block.scene
    tally = _Tally(np.zeros(len(recipe.colours), np.int64))
    tiles: list[Tile] = []
    dtype, bands = "", scene.bands
    for strip in strips(reader, recipe.side(reader.height, reader.width), recipe.overlap, block.rows):
        tally.add(strip.fresh)
        tiles += [tile for cell in strip.cells if (tile := writer.tile(cell, strip)) is not None]
        dtype = str(strip.layers.image.dtype)
        bands = (*scene.bands, *(() if strip.layers.dsm is None else (DSM,)))
    tiles.sort(key=lambda tile: (tile.window.row, tile.window.col))
    a, b, c, d, e, f = list(reader.transform)[:6]
    facts = SceneFacts(
        id=scene.id,
        group=scene.group,
        split=scene.split,
        height=reader.height,
        width=reader.width,
        bands=bands,
        dtype=dtype,
        crs=None if reader.crs is None else reader.crs.to_string(),
        transform=(a, b, c, d, e, f),
        notes=reader.notes,
    )
    return Part(
        options=recipe.options,
        block=block.number,
        scene=facts,
        counted=tally.counted(),
        skipped=writer.skipped,
        tiles=tuple(tiles),
        sources=sources,
    )


@dataclass
class _Tally:
    """What is counted while a block is cut."""

    counts: NDArray[np.int64]
    unlabelled: int = 0
    inexact: int = 0
    residual: int = 0
    sums: list[BandSums] = field(default_factory=list)

    def add(self, pixels: Reading) -> None:
        layers = pixels.layers
        self.counts += label_counts(layers.mask, len(self.counts))
        self.unlabelled += int(np.count_nonzero(layers.mask == UNLABELLED))
        self.inexact += _number(pixels.inexact)
        self.residual += _number(pixels.unknown)
        bands = [*layers.image, *([] if layers.dsm is None else layers.dsm)]
        self.sums.append(BandSums.of(bands, None if pixels.invalid is None else ~pixels.invalid))

    def counted(self) -> Counted:
        total = reduce(add, self.sums)
        return Counted(
            counts=tuple(self.counts.tolist()),
            unlabelled=self.unlabelled,
            inexact=self.inexact,
            residual=self.residual,
            valid=total.count,
            sums=total.sums,
            squares=total.squares,
            highest=total.highest,
        )


@dataclass
class Writer:
    """Writes tiles, and remembers which files it began and how many tiles it left out."""

    scene: Scene
    reader: SceneReader
    recipe: Recipe
    disk: WriteBehind
    written: list[Path] = field(default_factory=list)
    skipped: int = 0

    def tile(self, cell: Cell, strip: Strip) -> Tile | None:
        """Write a tile; None for one of which too few pixels hold data."""
        window, scene = cell.window, self.scene
        place = window.relative_to(strip.frame)
        layers, empty = crop(strip.layers, place), None if strip.invalid is None else strip.invalid[place.slices]
        invalid = _number(empty)
        if window.height * window.width - invalid < self.recipe.min_valid * window.height * window.width:
            self.skipped += 1
            return None
        valid = None if empty is None or not invalid else ~empty
        name = scene.id if self.recipe.tile_size is None else f"{scene.id}/{window.row:05d}_{window.col:05d}"
        image, mask, dsm = (f"{TILES}/{name}_{kind}.tif" for kind in ("image", "mask", "dsm"))
        colours = {**dict(enumerate(self.recipe.colours)), UNLABELLED: UNLABELLED_COLOUR}
        imagery = self.reader.imagery
        files: list[Fingerprint] = []
        if not invalid and self._original is not None:
            image = self._original
        else:
            files.append(self._file(image, window, layers.image, imagery.nodata, valid=valid, names=imagery.names))
        files.append(self._file(mask, window, layers.mask[None], IGNORE, colours))
        if layers.dsm is not None:
            files.append(self._file(dsm, window, layers.dsm, imagery.dsm_nodata, valid=valid))
        counts = label_counts(layers.mask, len(self.recipe.colours))
        unlabelled = int(np.count_nonzero(layers.mask == UNLABELLED))
        return Tile(
            id=name,
            scene=scene.id,
            group=scene.group,
            split=scene.split,
            window=window,
            core=cell.core.relative_to(window),
            image=image,
            mask=mask,
            dsm=None if layers.dsm is None else dsm,
            counts=counts,
            ignored=layers.mask.size - sum(counts) - unlabelled,
            unlabelled=unlabelled,
            invalid=invalid,
            files=tuple(files),
        )

    @property
    def _original(self) -> str | None:
        """The image where it lies, as the index names it; None for tiles, and where its file holds other pixels."""
        folder = self.recipe.originals
        if folder is None or not self.reader.imagery.is_as_in_its_file:
            return None
        return f"{ORIGINALS}:{Path(self.scene.image).relative_to(folder).as_posix()}"

    def _file(
        self,
        name: str,
        window: Window,
        pixels: Array,
        nodata: float | None = None,
        colours: dict[int, Colour] | None = None,
        valid: Flags | None = None,
        names: tuple[str, ...] = (),
    ) -> Fingerprint:
        path, where = self.recipe.root / name, raster.shifted(self.reader.transform, window.row, window.col)
        content = raster.encode(name, pixels, where, self.reader.crs, nodata, colours, valid, names)
        self.written.append(path)
        self.disk.write(path, content)
        return Fingerprint.of(content)


def _number(flags: Flags | None) -> int:
    return 0 if flags is None else int(np.count_nonzero(flags))
