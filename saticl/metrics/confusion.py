"""The one accumulator: K x K counts of pixels, rows truth, columns prediction."""

import torch
from torch import Tensor

LANES = 64
"""Copies of the counters on an accelerator: neighbouring pixels share a class and would queue for one counter."""


class Confusion:
    """Confusion matrix of `num_classes` output indices, kept as int64 where the predictions are.

    Nothing in here waits for the device. `matrix` is a plain sum over pixels: those of several processes, scenes or
    runs may be added.
    """

    def __init__(self, num_classes: int, device: torch.device | str = "cpu") -> None:
        self.num_classes = num_classes
        self.matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count the pixels of two maps of one shape; see `confusion_matrix`."""
        self.matrix += confusion_matrix(prediction, target, self.num_classes)


def confusion_matrix(prediction: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """Int64 [K, K] counts, rows truth, columns prediction, of two integer maps of one shape.

    Pixels whose target is no output index (255, or anything outside 0..K-1) are left out. Predictions must lie in
    0..K-1, as an arg-max does: they are not checked, since that would wait for the device.
    """
    target = target.to(torch.int64)
    valid = (target >= 0) & (target < num_classes)
    left_out = num_classes * num_classes
    index = (target * num_classes + prediction.to(torch.int64)).where(valid, left_out).flatten()
    # bincount waits for an accelerator: it reads the largest index back to size its result
    count = _count if index.device.type == "cpu" else _count_without_waiting
    return count(index, left_out + 1)[:left_out].view(num_classes, num_classes)


def _count(index: Tensor, bins: int) -> Tensor:
    return torch.bincount(index, minlength=bins)


def _count_without_waiting(index: Tensor, bins: int) -> Tensor:
    """The same as `_count`: each pixel adds to one of LANES copies of the counters, which are then summed."""
    lane = torch.arange(len(index), device=index.device) % LANES
    counts = torch.zeros(LANES * bins, dtype=torch.int64, device=index.device)
    counts.scatter_add_(0, lane * bins + index, torch.ones_like(index))
    return counts.view(LANES, bins).sum(dim=0)
