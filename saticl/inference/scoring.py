"""Scores and maps of a trained step on prepared tiles: for the end of `train` and for `test`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from saticl.engine.evaluate import Restricted, total
from saticl.inference.predictor import Predictor
from saticl.labels import ScoredImages, Unlabelled, Unseen
from saticl.metrics.confusion import Confusion
from saticl.metrics.labelled import Counts, add_counts, judged, where_labelled
from saticl.tasks import Task
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import Tile
from saticl.tiles.loaders import EvaluationLoader, evaluation_loader
from saticl.tiles.manifest import Manifest


@dataclass(frozen=True)
class ScoredTiles:
    """What a step is scored on, and how it is read."""

    root: Path
    manifest: Manifest
    tiles: Sequence[Tile]
    unseen: Unseen
    """What pixels of classes of later steps count as."""
    unlabelled: Unlabelled
    """What pixels count as where no class was drawn."""
    batch_size: int
    num_workers: int
    images: ScoredImages = "all"
    """Which of the tiles are counted."""

    def image(self, tile: Tile) -> Path:
        """The file of a tile's image."""
        return self.manifest.locate(self.root, tile.image)

    def task(self, by: Predictor) -> Task:
        """What a step has learned, seen through the labels of this folder."""
        return by.task.among(self.manifest.class_names)

    def counted(self, by: Predictor) -> "ScoredTiles":
        """The tiles that a step is scored on: all, or those that show a class that it has learned."""
        if self.images == "all":
            return self
        names = self.manifest.class_names
        labels = [names.index(name) for name in by.task.seen if name in names]
        return replace(self, tiles=[tile for tile in self.tiles if any(tile.counts[label] for label in labels)])

    def loader(self, by: Predictor, owned: bool, rank: int = 0, world: int = 1) -> EvaluationLoader:
        """This rank's tiles with the labels of all classes seen so far; `owned`: of every pixel of a scene once."""
        table, channels = self.task(by).eval_table(self.unseen, self.unlabelled), len(by.bands)
        dataset = TileDataset(self.root, self.tiles, table, self.manifest, channels, owned=owned, fill=by.info.mean)
        return evaluation_loader(dataset, self.batch_size, self.num_workers, rank, world)


def count(predictor: Predictor, folders: Sequence[ScoredTiles], groups: Sequence[range] = ()) -> list[Counts]:
    """Counts of every pixel of the tiles, each pixel of a scene once, over all folders and processes, in one pass.

    The first is the confusion matrix, rows truth (`where_labelled` says what a folder that does not label all classes
    gives), those behind it are of each group of output indices among themselves (`Restricted`).
    """
    counted = [_count(predictor, on.counted(predictor), groups) for on in folders]
    return [add_counts(matrices) for matrices in zip(*counted, strict=True)]


def _count(predictor: Predictor, on: ScoredTiles, groups: Sequence[range]) -> list[Counts]:
    accelerator = predictor.accelerator
    counts, restricted = Confusion(predictor.task.num_seen, predictor.device), Restricted(groups, predictor.device)
    loader = on.loader(predictor, True, accelerator.process_index, accelerator.num_processes)
    for output, target in predictor.outputs(loader):
        counts.update(predictor.method.classes(output), target)
        restricted.update(output.logits, target)
    whole, *parts = (total(one, accelerator) for one in (counts, *restricted.counts))
    return [where_labelled(whole, on.task(predictor).labelled), *parts]


class TileMap(NamedTuple):
    """A tile as a step sees it: output indices, uint8, of the height and width of the tile itself."""

    tile: Tile
    predicted: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    """IGNORE where the labels of the folder cannot judge what was predicted."""


def maps(predictor: Predictor, on: ScoredTiles, rank: int = 0, world: int = 1) -> Iterator[TileMap]:
    """Class maps of whole tiles, in their order; with several processes of this rank's share.

    Tiles at the edge of a scene that is smaller than a tile are padded for the network; their maps are not.
    """
    mine, labelled = iter(on.tiles[rank::world]), on.task(predictor).labelled
    for output, target in predictor.outputs(on.loader(predictor, False, rank, world)):
        classes = predictor.method.classes(output).to(torch.uint8)
        pairs = zip(classes.cpu().numpy(), target.cpu().numpy(), strict=True)
        for predicted, truth in pairs:
            tile = next(mine)
            own = slice(tile.window.height), slice(tile.window.width)
            known = judged(truth[own].astype(np.uint8), predicted[own], labelled, predictor.task.num_seen)
            yield TileMap(tile, predicted[own], known)
