"""Prepared tiles as torch tensors: read, relabelled, augmented; normalising is left to the device."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from saticl.errors import InvalidOptions, InvalidRaster
from saticl.geo import raster
from saticl.labels import IGNORE
from saticl.tasks import Table
from saticl.tiles.index import Tile
from saticl.tiles.manifest import Manifest
from saticl.transforms.augment import Augment, Bands, Bytes, Key, with_surface
from saticl.transforms.rescale import filling


class Sample(NamedTuple):
    """One tile."""

    image: Tensor
    """[C, H, W] in raw units: uint8, or float32 for everything wider. Channels last in memory."""
    target: Tensor
    """[H, W] uint8: output index, or IGNORE."""
    maps: Mapping[str, Tensor] = {}
    """[H, W] by name: further maps."""


class TileDataset(Dataset[Sample]):
    """The tiles of one selection, relabelled by a task's table.

    Args:
        root: the prepared folder.
        tiles: rows of its index.
        table: from dataset label to output index, `Task.train_table()` or `Task.eval_table()`.
        manifest: its description.
        channels: how many bands to keep, from the first; None: all.
        augment: random views for training; None: tiles as they are.
        owned: ignore what another, overlapping tile owns, so that every pixel of a scene is scored once.
        fill: what pixels without data hold, a value per band that is read: the mean of the normalisation that follows,
            so that they become zero; None: that of the manifest.
        tables: of each tile, where they do not all have the same; `table` is not read then.
        maps: names of further maps to read: `maps/<name>/<tile id>.tif` in the folder.

    Raises:
        InvalidOptions: more bands than there are, or views larger than the tiles.
    """

    def __init__(
        self,
        root: Path,
        tiles: Sequence[Tile],
        table: Table,
        manifest: Manifest,
        channels: int | None = None,
        augment: Augment | None = None,
        owned: bool = False,
        fill: Sequence[float] | None = None,
        tables: Sequence[Table] | None = None,
        maps: Sequence[str] = (),
    ) -> None:
        self.root, self.tiles, self.owned, self.maps = root, tiles, owned, tuple(maps)
        self.tables = [table] * len(tiles) if tables is None else tables
        self.manifest = manifest
        self.channels = len(manifest.bands) if channels is None else channels
        self.augment = augment
        self.fill = tuple(manifest.statistics.mean[: self.channels] if fill is None else fill)
        if self.channels > len(manifest.bands):
            raise InvalidOptions(
                f"{self.channels} bands are asked for, but {root} holds {len(manifest.bands)}: "
                f"{', '.join(manifest.bands)}. Lower --in-channels."
            )
        side = manifest.tile_size
        if augment is not None and side is not None and augment.size > side:
            raise InvalidOptions(
                f"--image-size {augment.size} is larger than the tiles of {root} ({side} pixels): lower it, or "
                "prepare the data again with a larger --tile-size."
            )
        self._reads_surface = manifest.has_dsm and self.channels == len(manifest.bands)

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, key: int | Key) -> Sample:
        """Tile number `key`, or the view (epoch, number) of it. Numbers of views wrap around, each a view of its own.

        Raises:
            InvalidRaster: a file is missing, damaged, or does not fit its neighbours.
        """
        if not isinstance(key, tuple):
            if not 0 <= key < len(self):
                raise IndexError(f"There is no tile {key} among {len(self)}.")
            key = 0, key
        number = key[1] % len(self)
        tile = self.tiles[number]
        image, surface = self._bands(tile)
        target = self._target(tile, self.tables[number])
        maps: Mapping[str, Bands] = {name: self._map(tile, name) for name in self.maps}
        if self.augment is None:
            image = with_surface(image, surface)
        else:
            image, target, maps = self.augment.with_maps(image, target, key, maps, surface)
        if image.dtype == np.uint16:  # torch has the type, but hardly any operation on it
            image = image.astype(np.float32)
        tensors = {name: torch.from_numpy(np.ascontiguousarray(plane)) for name, plane in maps.items()}
        return Sample(torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(target), tensors)

    def shape(self, number: int) -> tuple[int, int]:
        """Rows and columns of a tile as it is before it is augmented.

        Tiles of a fixed size are padded to it; others keep their shape, but are never smaller than an enlarging crop.
        """
        return self._shape(self.tiles[number])

    def _shape(self, tile: Tile) -> tuple[int, int]:
        side = self.manifest.tile_size
        if side is not None:
            return side, side
        least = 0 if self.augment is None or self.augment.views.crop == "scale" else self.augment.size
        return max(tile.window.height, least), max(tile.window.width, least)

    def _bands(self, tile: Tile) -> tuple[Bands, Bands | None]:
        """The image, and the surface model where it is read; filled where there is no data, and padded."""
        image = self._image(tile)
        surface = self._pixels(tile, tile.dsm) if tile.dsm is not None and self._reads_surface else None
        if tile.invalid:
            empty = ~raster.read_valid(self._path(tile.image), _remedy(tile.image))
            image[empty] = filling(self.fill[: image.shape[-1]], image.dtype)
            if surface is not None:
                surface[empty] = self.fill[-1]
        shape = self._shape(tile)
        return _padded(image, shape), None if surface is None else _padded(surface, shape)

    def _image(self, tile: Tile) -> Bands:
        image = self._pixels(tile, tile.image)
        wanted = len(self.manifest.bands) - self.manifest.has_dsm
        if image.shape[-1] < wanted or image.dtype != self.manifest.dtype:
            raise InvalidRaster(
                f"{self._path(tile.image)} holds {image.shape[-1]} bands of {image.dtype}, but {wanted} of "
                f"{self.manifest.dtype} are expected: convert it, or prepare the data again."
            )
        return image[..., : min(self.channels, wanted)]

    def _target(self, tile: Tile, table: Table) -> Bytes:
        """Output indices [H, W]; padding, and with `owned` what other tiles own, is ignored."""
        shape = self._shape(tile)
        if tile.mask is None:
            return np.full(shape, IGNORE, np.uint8)
        mask = self._pixels(tile, tile.mask)
        if mask.shape[-1] != 1 or mask.dtype != np.uint8:
            raise InvalidRaster(
                f"{self._path(tile.mask)} holds {mask.shape[-1]} bands of {mask.dtype}, but the mask of a tile is one "
                "band of labels in uint8: prepare the data again."
            )
        labels = table.take(mask[..., 0])  # table[mask], in half the time
        if not self.owned and labels.shape == shape:
            return labels
        target = np.full(shape, IGNORE, np.uint8)
        part = tile.core.slices if self.owned else (slice(labels.shape[0]), slice(labels.shape[1]))
        target[part] = labels[part]
        return target

    def _map(self, tile: Tile, name: str) -> Bands:
        """A further map [H, W]."""
        remedy = f"the method needs the map {name!r} of every training tile"
        return _padded(self._pixels(tile, f"maps/{name}/{tile.id}.tif", remedy), self._shape(tile))[..., 0]

    def _path(self, name: str) -> Path:
        return self.manifest.locate(self.root, name)

    def _pixels(self, tile: Tile, name: str, remedy: str | None = None) -> NDArray[Any]:
        """A file of the tile as [H, W, C]."""
        path = self._path(name)
        pixels = raster.read(path, remedy or _remedy(name))
        height, width = tile.window.height, tile.window.width
        if pixels.shape[1:] != (height, width):
            raise InvalidRaster(
                f"{path} has {pixels.shape[2]} x {pixels.shape[1]} pixels, its entry in the index "
                f"{width} x {height}: {raster.CUT_ANEW}."
            )
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))


def _remedy(name: str) -> str:
    """What helps where a file is lost: `prepare` cuts tiles, not originals."""
    return raster.FETCH_AGAIN if ":" in name else raster.CUT_ANEW


def _padded(pixels: Bands, shape: tuple[int, int]) -> Bands:
    """[H, W, C] of that shape of a tile that may be smaller, its last row and column repeated."""
    height, width = pixels.shape[:2]
    if (height, width) == shape:
        return pixels
    return np.pad(pixels, ((0, shape[0] - height), (0, shape[1] - width), (0, 0)), mode="edge")
