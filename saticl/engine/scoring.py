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
from torch import nn

from saticl.engine.checkpoint import StepInfo
from saticl.engine.evaluate import restricted_confusions
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import Tile
from saticl.tiles.loaders import evaluation_loader
from saticl.tiles.manifest import Manifest
from saticl.transforms.normalize import Normalize


def score_tiles(
    accelerator: Accelerator,
    segmenter: nn.Module,
    info: StepInfo,
    root: Path,
    manifest: Manifest,
    tiles: Sequence[Tile],
    *,
    unseen: Literal["background", "ignore"] = "background",
    batch_size: int,
    num_workers: int,
) -> NDArray[np.int64]:
    """Confusion matrix [K, K], rows truth, over the pixels of all tiles, each pixel of a scene once.

    Labels are those of all classes seen so far; classes of later steps are background or ignored, as `unseen` says.
    """
    (matrix,) = score_tiles_restricted(
        accelerator,
        segmenter,
        info,
        root,
        manifest,
        tiles,
        [range(info.task.num_seen)],
        unseen=unseen,
        batch_size=batch_size,
        num_workers=num_workers,
    )
    return matrix


def score_tiles_restricted(
    accelerator: Accelerator,
    segmenter: nn.Module,
    info: StepInfo,
    root: Path,
    manifest: Manifest,
    tiles: Sequence[Tile],
    groups: Sequence[range],
    *,
    unseen: Literal["background", "ignore"] = "background",
    batch_size: int,
    num_workers: int,
) -> list[NDArray[np.int64]]:
    """As `score_tiles`, a matrix for each group of output indices, with truth and arg-max limited to the group."""
    segmenter.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    normalize = Normalize(info.mean, info.std).to(accelerator.device)
    table, channels = info.task.eval_table(unseen), len(info.bands)
    dataset = TileDataset(root, tiles, table, manifest, channels, augment=None, owned=True, fill=info.mean)
    rank, world = accelerator.process_index, accelerator.num_processes
    loader = evaluation_loader(dataset, batch_size, num_workers, rank, world)
    return restricted_confusions(segmenter, loader, normalize, accelerator, groups)
