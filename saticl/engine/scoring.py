"""Scores of a finished step against the full truth: one function for the end of `train` and for `test`.

That both call it is why the number `train` prints is the number `test` prints.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from saticl.engine.checkpoint import StepInfo
from saticl.engine.evaluate import confusion
from saticl.models.segmenter import Segmenter
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import Tile
from saticl.tiles.loaders import EvaluationLoader, evaluation_loader
from saticl.tiles.manifest import Manifest
from saticl.transforms.normalize import Normalize


def score_tiles(
    accelerator: Accelerator,
    segmenter: Segmenter,
    info: StepInfo,
    loader: EvaluationLoader,
) -> NDArray[np.int64]:
    """Confusion matrix [K, K] of a segmenter, rows truth, over the tiles of a loader."""
    segmenter.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    normalize = Normalize(info.mean, info.std).to(accelerator.device)
    return confusion(segmenter, loader, normalize, accelerator, info.task.num_seen)


def scoring_loader(
    accelerator: Accelerator,
    info: StepInfo,
    root: Path,
    manifest: Manifest,
    tiles: Sequence[Tile],
    unseen: Literal["background", "ignore"],
    batch_size: int,
    num_workers: int,
) -> EvaluationLoader:
    """The tiles with the labels of all classes seen so far, every pixel of a scene in exactly one tile."""
    dataset = TileDataset(
        root, tiles, info.task.eval_table(unseen), manifest, channels=len(info.bands), augment=None, owned=True
    )
    return evaluation_loader(
        dataset, batch_size, num_workers, accelerator.process_index, accelerator.num_processes
    )
