"""Running sums of loss terms that stay on the device: reading them is the only synchronisation of an epoch."""

import math
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from saticl.errors import NonFiniteLoss
from saticl.types import Terms


class Totals:
    """Sums of named terms over the iterations of one epoch.

    `mean_over_processes` averages a tensor over all processes, so that each sees the same numbers, and all stop
    together when a term of one is not finite.
    """

    def __init__(self, epoch: int, mean_over_processes: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> None:
        self.epoch = epoch
        self.mean_over_processes = mean_over_processes
        self.counts: Counter[str] = Counter()
        self.sums: dict[str, Tensor] = {}

    def add(self, terms: Terms) -> None:
        """Add the terms of one iteration, without waiting for them."""
        for name, term in terms.items():
            value = term.detach().double()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] += 1

    def means(self) -> dict[str, float]:
        """Mean of every term over the iterations that had it: penalties come with updates only.

        Raises:
            NonFiniteLoss: a term was NaN or infinite in one of the iterations; a sum never recovers from that.
        """
        if not self.sums:
            return {}
        values = self.mean_over_processes(torch.stack(list(self.sums.values()))).tolist()
        wrong = [name for name, value in zip(self.sums, values, strict=True) if not math.isfinite(value)]
        if wrong:
            raise NonFiniteLoss(
                f"The loss term {wrong[0]!r} became NaN or infinite in epoch {self.epoch}: lower --optimizer.lr, set "
                "--trainer.clip, or use --trainer.precision float32. The last complete epoch is kept."
            )
        return {name: value / self.counts[name] for name, value in zip(self.sums, values, strict=True)}
