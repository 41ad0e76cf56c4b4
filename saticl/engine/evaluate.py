"""Predictions over a loader, counted into one confusion matrix on the device.

No logits are gathered: every process counts its own tiles, each exactly once, and the matrices are added.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from saticl.labels import BACKGROUND
from saticl.metrics.confusion import Confusion
from saticl.types import Batch, Logits


def predictions(
    network: nn.Module, batches: Iterable[Batch], normalize: nn.Module, accelerator: Accelerator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (predicted output index, target), both [B, H, W] on the device, one batch at a time, in order."""
    for logits, target in outputs(network, batches, normalize, accelerator):
        yield logits.argmax(1), target


def outputs(
    network: nn.Module, batches: Iterable[Batch], normalize: nn.Module, accelerator: Accelerator
) -> Iterator[tuple[Logits, Tensor]]:
    """Yield (logits [B, K, H, W], target [B, H, W]) on the device, one batch at a time, in order.

    The network is used in eval mode and left in the mode it was in.
    """
    model = accelerator.unwrap_model(network)  # DDP synchronises buffers, and ranks may hold unequal numbers of tiles
    training = model.training
    model.eval()
    try:
        with torch.no_grad(), accelerator.autocast():
            for batch in batches:
                image = normalize(batch.image.to(accelerator.device, non_blocking=True))
                target = batch.target.to(accelerator.device, non_blocking=True)
                yield model(image).logits, target
    finally:
        model.train(training)


def with_old_classes(
    teacher: nn.Module, batches: Iterable[Batch], normalize: nn.Module, accelerator: Accelerator
) -> list[Tensor]:
    """Targets of a step's validation: true labels where they are new classes, the teacher's prediction elsewhere.

    Old labels are gone, so this is all a step may know of forgetting: `batches` carry the training table's labels
    (new classes, background, IGNORE), and every background pixel takes the class that the previous model sees there.
    Computed once per step; uint8 [B, H, W] on the CPU, in the loader's order.
    """
    targets = []
    for old, target in predictions(teacher, batches, normalize, accelerator):
        targets.append(torch.where(target == BACKGROUND, old.to(target.dtype), target).cpu())
    return targets


def confusion(
    network: nn.Module,
    batches: Iterable[Batch],
    normalize: nn.Module,
    accelerator: Accelerator,
    num_classes: int,
    targets: Iterable[Tensor] | None = None,
) -> NDArray[np.int64]:
    """Confusion matrix [K, K], rows truth, over all processes; `targets` replace the labels of the batches."""
    counts = Confusion(num_classes, accelerator.device)
    replaced = None if targets is None else iter(targets)
    for prediction, target in predictions(network, batches, normalize, accelerator):
        truth = target if replaced is None else next(replaced).to(accelerator.device, non_blocking=True)
        counts.update(prediction, truth)
    total = accelerator.reduce(counts.matrix, "sum")
    return cast(NDArray[np.int64], total.cpu().numpy())


def restricted_confusions(
    network: nn.Module,
    batches: Iterable[Batch],
    normalize: nn.Module,
    accelerator: Accelerator,
    groups: Sequence[range],
) -> list[NDArray[np.int64]]:
    """A confusion matrix [G, G] for each group of G neighbouring output indices, over all processes, in one pass.

    Both sides are limited to the group: pixels whose truth is outside are left out, and the prediction is the arg-max
    over the group's logits alone. The group of all K indices gives what `confusion` gives.
    """
    counts = [Confusion(len(group), accelerator.device) for group in groups]
    for logits, target in outputs(network, batches, normalize, accelerator):
        truth = target.long()
        for group, count in zip(groups, counts, strict=True):
            count.update(logits[:, group.start : group.stop].argmax(1), truth - group.start)
    totals = [accelerator.reduce(count.matrix, "sum") for count in counts]
    return [cast(NDArray[np.int64], total.cpu().numpy()) for total in totals]
