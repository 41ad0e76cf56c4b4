"""Batches for training and for evaluation, the same whatever the number of processes and workers.

Batches are lists of keys (epoch, number), so a view depends on its key alone: workers that live for all epochs need no
message when a new one begins, and a resumed run draws what an uninterrupted one would have drawn.
"""

import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from saticl.errors import SaticlError, alone
from saticl.tiles.dataset import Sample, TileDataset
from saticl.tiles.index import Tile
from saticl.tiles.manifest import Manifest
from saticl.tiles.sampling import Shares, draw
from saticl.transforms.augment import Key
from saticl.types import Batch

Outcome = Sample | SaticlError
"""A tile, or why it could not be read."""


class EpochBatches:
    """This rank's keys of every batch of an epoch from `first` on; iterating again gives the same again.

    An epoch is a permutation of the tiles drawn from (seed, epoch), cut into global batches of `batch_size` times
    `world`, of which each rank takes its slice; a last, incomplete one is left out. Fewer tiles than one global batch
    are repeated to fill exactly one, each time with another key and so another view.

    With `shares` [num_tiles] an epoch has as many batches, but is drawn by them: see `sampling.draw`.
    """

    def __init__(
        self, num_tiles: int, batch_size: int, seed: int, rank: int = 0, world: int = 1, shares: Shares | None = None
    ) -> None:
        self.epoch = 0
        self.first = 0
        self._num_tiles, self._batch_size, self._seed, self._shares = num_tiles, batch_size, seed, shares
        self._rank, self._world = rank, world

    def __len__(self) -> int:
        return max(1, self._num_tiles // (self._batch_size * self._world))

    def __iter__(self) -> Iterator[list[Key]]:
        whole = self._batch_size * self._world
        random = np.random.default_rng((self._seed, self.epoch))
        if self._shares is None:
            order = random.permutation(max(self._num_tiles, whole))
        else:
            order = draw(self._shares, len(self) * whole, random)
        for start in range(self.first * whole + self._rank * self._batch_size, len(self) * whole, whole):
            yield [(self.epoch, int(number)) for number in order[start : start + self._batch_size]]


class TrainingLoader:
    """Endlessly reusable: `go_to` an epoch, then iterate over its batches of raw images and targets."""

    def __init__(self, loader: DataLoader[Outcome], batches: EpochBatches, batch_size: int) -> None:
        self.batch_size = batch_size
        self._loader, self._batches = loader, batches

    def go_to(self, epoch: int, first: int = 0) -> None:
        """Choose the epoch that the next iteration goes through, and its first batch."""
        self._batches.epoch, self._batches.first = epoch, first

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return _raising(self._loader)


class EvaluationLoader:
    """This rank's share of the tiles in their order, each exactly once; some batches may be smaller than others."""

    def __init__(self, loader: DataLoader[Outcome]) -> None:
        self._loader = loader

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        return _raising(self._loader)


def training_loader(
    dataset: TileDataset,
    batch_size: int,
    num_workers: int,
    seed: int,
    rank: int = 0,
    world: int = 1,
    shares: Shares | None = None,
) -> TrainingLoader:
    """Shuffled, augmented batches of `batch_size` tiles per process; uint8 or float32 images, uint8 targets.

    `shares` [number of tiles] say how often each tile is drawn; None: every tile once per epoch.
    """
    batches = EpochBatches(len(dataset), batch_size, seed, rank, world, shares)
    return TrainingLoader(_loader(dataset, batches, num_workers), batches, batch_size)


def evaluation_loader(
    dataset: TileDataset, batch_size: int, num_workers: int, rank: int = 0, world: int = 1
) -> EvaluationLoader:
    """Every tile once over all ranks, in order; a rank beyond the number of tiles gets none.

    A batch holds tiles of one shape, so that nothing is padded and no result depends on other tiles: it ends early
    where the shape changes. Give the tiles in the order of `by_shape` to have full batches.
    """
    mine = range(rank, len(dataset), world)
    batches: list[list[Key]] = []
    for _, group in groupby(mine, dataset.shape):
        alike = [(0, number) for number in group]
        batches += [alike[start : start + batch_size] for start in range(0, len(alike), batch_size)]
    return EvaluationLoader(_loader(dataset, batches, num_workers))


def by_shape(tiles: Iterable[Tile], manifest: Manifest) -> list[Tile]:
    """The tiles in the order given where they have a fixed size; others with those of one shape side by side."""
    if manifest.tile_size is not None:
        return list(tiles)
    return sorted(tiles, key=lambda tile: (tile.window.height, tile.window.width))


class _Guarded(Dataset[Outcome]):
    """Returns a user's mistake instead of raising it: a worker would bury its sentence in a traceback."""

    def __init__(self, dataset: TileDataset) -> None:
        self._dataset = dataset

    def __getitem__(self, key: Key) -> Outcome:
        try:
            return self._dataset[key]
        except SaticlError as error:
            return alone(error)


def _loader(dataset: TileDataset, batches: EpochBatches | list[list[Key]], num_workers: int) -> DataLoader[Outcome]:
    return DataLoader(
        _Guarded(dataset),
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=_collate,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_start_worker,
        persistent_workers=num_workers > 0,
        generator=torch.Generator(),  # its own, so that loading never moves torch's global one
    )


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the end of the block, then let it do what it does.

    Workers that are started in here leave Ctrl-C to the process that started them: it stops them, without tracebacks.
    """
    if threading.current_thread() is not threading.main_thread():  # others are never interrupted
        yield
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        signal.raise_signal(signal.SIGINT)


def _raising(loader: DataLoader[Outcome]) -> Iterator[Batch]:
    batch: Batch | SaticlError
    with uninterrupted():
        batches = iter(loader)
    for batch in batches:
        if isinstance(batch, SaticlError):
            raise batch
        yield batch


def _collate(samples: Sequence[Outcome]) -> Batch | SaticlError:
    """A batch [B, C, H, W], channels last in memory as its images are, or the first mistake among the samples."""
    batch: list[Batch] = []
    for sample in samples:
        if isinstance(sample, SaticlError):
            return sample
        batch.append(Batch(sample.image.permute(1, 2, 0), sample.target, dict(sample.maps)))
    # In a worker this stacks straight into shared memory, three times as fast as moving a finished stack there.
    stacked: Batch = default_collate(batch)
    return Batch(stacked.image.permute(0, 3, 1, 2), stacked.target, stacked.maps)


def _start_worker(_worker: int) -> None:
    """One thread per worker: there are as many workers as cores, and OpenCV would start as many threads in each."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    if hasattr(signal, "sigwaitinfo"):  # not on macOS and Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_for_the_parent_only, daemon=True).start()


def _end_for_the_parent_only() -> None:
    """Schedulers end all processes of a job at once: the one that trains would die of the loss of a worker."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
