"""Prepared tiles as torch tensors: read, relabelled, augmented; normalising is left to the device."""

from collections.abc import Sequence
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


class Sample(NamedTuple):
    """One tile."""

    image: Tensor
    """[C, S, S] in raw units: uint8, or float32 for everything wider. Channels last in memory."""
    target: Tensor
    """[S, S] uint8: output index, or IGNORE."""


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
    ) -> None:
        self.root, self.tiles, self.table, self.owned = root, tiles, table, owned
        self.channels = len(manifest.bands) if channels is None else channels
        self.augment = augment
        self.side = manifest.tile_size
        if self.channels > len(manifest.bands):
            raise InvalidOptions(
                f"{self.channels} bands are asked for, but {root} holds {len(manifest.bands)}: "
                f"{', '.join(manifest.bands)}. Lower --in-channels."
            )
        if augment is not None and augment.size > self.side:
            raise InvalidOptions(
                f"--image-size {augment.size} is larger than the tiles of {root} ({self.side} pixels): lower it, or "
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
        tile = self.tiles[key[1] % len(self)]
        image, surface, target = self._image(tile), self._surface(tile), self._target(tile)
        if self.augment is None:
            image = with_surface(image, surface)
        else:
            image, target = self.augment(image, target, key, surface)
        if image.dtype == np.uint16:  # torch has the type, but hardly any operation on it
            image = image.astype(np.float32)
        return Sample(torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(target))

    def _image(self, tile: Tile) -> Bands:
        return self._padded(self._pixels(tile, tile.image)[..., : self.channels])

    def _surface(self, tile: Tile) -> Bands | None:
        if tile.dsm is None or not self._reads_surface:
            return None
        return self._padded(self._pixels(tile, tile.dsm))

    def _target(self, tile: Tile) -> Bytes:
        """Output indices [S, S]; padding, and with `owned` what other tiles own, is ignored."""
        mask: Bytes = self._pixels(tile, tile.mask)
        labels = self.table.take(mask[..., 0])  # table[mask], in half the time
        if not self.owned and labels.shape == (self.side, self.side):
            return labels
        target = np.full((self.side, self.side), IGNORE, np.uint8)
        part = tile.core.slices if self.owned else (slice(labels.shape[0]), slice(labels.shape[1]))
        target[part] = labels[part]
        return target

    def _pixels(self, tile: Tile, name: str) -> NDArray[Any]:
        """A file of the tile as [H, W, C]."""
        pixels = raster.read(self.root / name)
        height, width = tile.window.height, tile.window.width
        if pixels.shape[1:] != (height, width):
            raise InvalidRaster(
                f"{self.root / name} has {pixels.shape[2]} x {pixels.shape[1]} pixels, its entry in the index "
                f"{width} x {height}: delete the tiles of {tile.scene} and run `prepare` again."
            )
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))

    def _padded(self, pixels: Bands) -> Bands:
        """[S, S, C] of a tile that may be smaller, its last row and column repeated."""
        height, width = pixels.shape[:2]
        if (height, width) == (self.side, self.side):
            return pixels
        return np.pad(pixels, ((0, self.side - height), (0, self.side - width), (0, 0)), mode="edge")
