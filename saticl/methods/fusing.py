"""What is done to weights when a step ends: fused with those before it, and statistics of norms counted anew.

No method of its own; methods call it in `consolidate`.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from saticl.models.norm import is_activated
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


def has_statistics(module: nn.Module) -> bool:
    """Whether this is a norm that keeps running statistics: torch's, timm's or In-Place ABN."""
    return isinstance(getattr(module, "running_mean", None), Tensor) and hasattr(module, "momentum")
