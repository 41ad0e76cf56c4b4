"""Optimisers and learning-rate schedules.

Schedules count iterations of this process's loop and are never handed to accelerate, which would step them once per
process. `factor` is a pure function of progress; only `plateau` looks at scores.
"""

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from saticl.methods.phases import Phase
from saticl.options import OptimizerOptions, SchedulerOptions


def build_optimizer(
    options: OptimizerOptions, parameters: Iterable[tuple[str, nn.Parameter]], rates: Phase | None = None
) -> Optimizer:
    """The optimiser over the named parameters that require gradients, grouped by their factor on the learning rate.

    Args:
        options: of the optimiser.
        parameters: by name, as the phase names them.
        rates: the phase, whose factors are taken; parameters with the factor 0 are left out. None: all have 1.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in parameters:
        rate = 1.0 if rates is None else rates.rate(name)
        if parameter.requires_grad and rate > 0:
            groups.setdefault(rate, []).append(parameter)
    trained = [{"params": group, "lr": options.lr * rate} for rate, group in groups.items()]
    decay, lr, momentum = options.weight_decay, options.lr, options.momentum
    fused = not torch.backends.mps.is_available()  # four times as fast on a CPU; not all of it exists on Apple's GPUs
    if options.target == "sgd":
        return SGD(trained, lr=lr, momentum=momentum, nesterov=momentum > 0, weight_decay=decay, fused=fused)
    adam = AdamW if options.target == "adamw" else Adam
    return adam(trained, lr=lr, betas=(momentum, 0.999), weight_decay=decay, fused=fused)


def factor(options: SchedulerOptions, iteration: int, total: int, per_epoch: int) -> float:
    """What the learning rate is multiplied by at `iteration` of `total`.

    cosine reaches 0 at the end of the step (the predecessor's restarts after ten epochs); poly is
    (1 - progress)^power; exp is gamma per epoch; constant and plateau stay at 1. All rise linearly over the first
    `warmup` share, and only then begin, at their start.
    """
    warm = math.ceil(options.warmup * total)
    if iteration < warm:
        return (iteration + 1) / (warm + 1)
    since = iteration - warm
    progress = min(1.0, since / max(1, total - warm))
    match options.target:
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * progress))
        case "poly":
            return float((1 - progress) ** options.power)
        case "exp":
            return float(options.gamma ** (since / per_epoch))
        case _:
            return 1.0


class Schedule:
    """Sets the learning rate before every iteration; `stalls` counts the times plateau lowered it."""

    def __init__(self, options: SchedulerOptions, optimizer: Optimizer, total: int, per_epoch: int) -> None:
        self.options = options
        self.optimizer = optimizer
        self.total = total
        self.per_epoch = per_epoch
        self.base = [group["lr"] for group in optimizer.param_groups]
        self.stalls = 0
        self.since_best = 0

    def set(self, iteration: int) -> float:
        """Set the rates of `iteration`, counted over the whole phase; returns what they are multiplied by."""
        scale = factor(self.options, iteration, self.total, self.per_epoch) * self.options.gamma**self.stalls
        for group, base in zip(self.optimizer.param_groups, self.base, strict=True):
            group["lr"] = base * scale
        return scale

    def observe(self, improved: bool) -> None:
        """Tell plateau whether a validation improved on the best one."""
        if self.options.target != "plateau":
            return
        self.since_best = 0 if improved else self.since_best + 1
        if self.since_best >= self.options.patience:
            self.stalls, self.since_best = self.stalls + 1, 0
