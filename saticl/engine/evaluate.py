"""Predictions over a loader, counted into one confusion matrix on the device.

No scores are gathered: every process counts its own tiles, each exactly once, and the matrices are added. A trained
step is applied through `inference/predictor.py`, which stands on `outputs`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from saticl.engine.device import autocast
from saticl.labels import BACKGROUND
from saticl.methods.base import Method
from saticl.metrics.confusion import Confusion
from saticl.types import Batch, Image, Output

Classify = Callable[[Output], Tensor]
"""From what the network gives to output indices [B, H, W]: a method's `classes`."""


@contextmanager
def applied(
    network: nn.Module, normalize: nn.Module, device: torch.device, precision: str
) -> Iterator[Callable[[Image], Output]]:
    """What gives the network's output of raw images: in eval mode, without gradients, in that precision.

    The network is left in the mode it was in. It is nothing that the accelerator has wrapped: that would wait for the
    other processes, which may hold fewer batches.
    """
    training = network.training
    network.eval()
    try:
        # Around all batches: half precision converts the weights once and not once per batch.
        with torch.no_grad(), autocast(device, precision):
            yield lambda images: network(normalize(images.to(device, non_blocking=True)))
    finally:
        network.train(training)


def outputs(
    network: nn.Module, batches: Iterable[Batch], normalize: nn.Module, device: torch.device, precision: str
) -> Iterator[tuple[Output, Tensor]]:
    """Yield (output, target [B, H, W]) on the device, one batch at a time, in order; see `applied`."""
    with applied(network, normalize, device, precision) as apply:
        for batch in batches:
            yield apply(batch.image), batch.target.to(device, non_blocking=True)


def predictions(
    network: nn.Module,
    batches: Iterable[Batch],
    normalize: nn.Module,
    accelerator: Accelerator,
    classify: Classify = Method.classes,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (predicted output index, target), both [B, H, W] on the device, one batch at a time, in order."""
    for output, target in outputs(network, batches, normalize, accelerator.device, accelerator.mixed_precision):
        yield classify(output), target


def with_old_classes(
    teacher: nn.Module,
    batches: Iterable[Batch],
    normalize: nn.Module,
    accelerator: Accelerator,
    classify: Classify = Method.classes,
) -> list[Tensor]:
    """Targets of a step's validation: true labels where they are new classes, the teacher's prediction elsewhere.

    Where old labels are gone, this is all a step may know of forgetting: `batches` carry the training table's labels
    (background hides old classes), and every background pixel takes the class that the previous model sees there.
    Computed once per step; uint8 [B, H, W] on the CPU, in the loader's order.
    """
    targets = []
    for old, target in predictions(teacher, batches, normalize, accelerator, classify):
        targets.append(torch.where(target == BACKGROUND, old.to(target.dtype), target).cpu())
    return targets


def confusion(
    network: nn.Module,
    batches: Iterable[Batch],
    normalize: nn.Module,
    accelerator: Accelerator,
    num_classes: int,
    targets: Iterable[Tensor] | None = None,
    classify: Classify = Method.classes,
) -> NDArray[np.int64]:
    """Confusion matrix [K, K], rows truth, over all processes; `targets` replace the labels of the batches."""
    counts = Confusion(num_classes, accelerator.device)
    replaced = None if targets is None else iter(targets)
    for prediction, target in predictions(network, batches, normalize, accelerator, classify):
        truth = target if replaced is None else next(replaced).to(accelerator.device, non_blocking=True)
        counts.update(prediction, truth)
    return total(counts, accelerator)


class Restricted:
    """Confusion matrices [G, G] of groups of G neighbouring output indices among themselves.

    Both sides are limited to the group: pixels whose truth is outside are left out, and the prediction is the arg-max
    over the group's logits alone. Logits are compared, because far below the largest one probabilities are all zero.
    """

    def __init__(self, groups: Sequence[range], device: torch.device) -> None:
        self.groups = groups
        self.counts = [Confusion(len(group), device) for group in groups]

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Count logits [B, K, H, W] against labels [B, H, W]."""
        truth = target.long()
        for group, count in zip(self.groups, self.counts, strict=True):
            if not group:  # the step brought no class
                continue
            count.update(logits[:, group.start : group.stop].argmax(1), truth - group.start)


def total(counts: Confusion, accelerator: Accelerator) -> NDArray[np.int64]:
    """The matrix over all processes."""
    return cast(NDArray[np.int64], accelerator.reduce(counts.matrix, "sum").cpu().numpy())
