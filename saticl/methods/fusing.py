"""What is done to weights when a step ends: fused with those before it, and statistics of norms counted.

No method of its own; methods call it in `consolidate`.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from saticl.models.branches import line_of, restate
from saticl.models.norm import has_statistics, is_activated
from saticl.tasks import Task
from saticl.types import Batch


def share_of_new(task: Task) -> float:
    """β = sqrt(N_new / (N_new + N_old)), of numbers of classes, background among the old ones (EWF's)."""
    return math.sqrt(task.num_new / task.num_seen)


@torch.no_grad()
def fuse(student: nn.Module, teacher: nn.Module, share: float) -> None:
    """θ <- share θ + (1 - share) θ_old in place, for every parameter and statistic that both networks have.

    What only the student has, such as the head of new classes, stays, and so do counters. Scales of In-Place ABN are
    used as |weight| + eps, so their absolute values are fused: otherwise weights of opposite signs would cancel out.

    Args:
        student: the network that is changed.
        teacher: the network before the step, such as `Teacher.segmenter`, with the same names of tensors.
        share: of the student, from 0 to 1.
    """
    scales = {f"{name}.weight" for name, module in student.named_modules() if is_activated(module)}
    old = teacher.state_dict()
    for name, tensor in student.state_dict().items():
        if name in old and tensor.is_floating_point():
            before = old[name]
            if name in scales:
                tensor.abs_()
                before = before.abs()
            tensor.lerp_(before, 1 - share)


@torch.no_grad()
def recount(student: nn.Module, batches: Iterable[Batch]) -> None:
    """Replace the statistics of batch norms by their mean over all batches, in place.

    Fused variances are not those of what fused weights compute. Every norm normalises by its batch while it counts, as
    in training; dropout and the like rest. Norms without statistics are left alone, and so are those that stay in
    evaluation mode after `train()`, such as a frozen encoder's.
    """
    was_training = student.training
    norms = [module for module in student.train().modules() if module.training and has_statistics(module)]
    momenta = [norm.momentum for norm in norms]
    student.eval()
    for norm in norms:
        norm.train()
    for index, batch in enumerate(batches):
        for norm in norms:
            norm.momentum = 1 / (index + 1)  # type: ignore[assignment]  # a number, not a tensor or module
        student(batch.image)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    student.train(was_training)


@torch.no_grad()
def measure(student: nn.Module, norms: Sequence[Any], batches: Iterable[Batch]) -> None:
    """Give batch norms the statistics of what they see in evaluation, and weights with which they compute the same.

    So they also compute nearly the same in training, where batches take the place of the statistics.
    """
    was_training = student.training
    student.eval()
    seen = [Moments(norm) for norm in norms]
    for batch in batches:
        student(batch.image)
    for norm, moments in zip(norms, seen, strict=True):
        moments.hook.remove()
        if moments.batches:
            restate(norm, *moments.mean_and_variance(), *line_of(norm))
    student.train(was_training)


class Moments:
    """Of what a norm is given, channel by channel: batches are of one size, so their means are averaged."""

    def __init__(self, norm: Any) -> None:
        self.batches = 0
        self._centre = norm.running_mean.clone()
        self._first, self._second = torch.zeros_like(self._centre), torch.zeros_like(self._centre)
        self.hook = norm.register_forward_pre_hook(self._add)

    def _add(self, norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        away = given[0].float() - self._centre.view(-1, 1, 1)
        self.batches += 1
        self._first += away.mean((0, 2, 3))
        self._second += away.square().mean((0, 2, 3))

    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        """[D] each."""
        first, second = self._first / self.batches, self._second / self.batches
        return self._centre + first, (second - first.square()).clamp(min=0)
