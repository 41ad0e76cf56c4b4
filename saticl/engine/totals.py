"""Running sums of loss terms that stay on the device: reading them is the only synchronisation of an epoch."""

import math
import time
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from saticl.engine.state import Begun
from saticl.errors import NonFiniteLoss
from saticl.types import Terms


class Totals:
    """Sums of named terms over the iterations of one epoch, after those of `begun`.

    `mean_over_processes` averages a tensor over all processes, so that each sees the same numbers, and all stop
    together when a term of one is not finite.
    """

    def __init__(
        self,
        epoch: int,
        mean_over_processes: Callable[[Tensor], Tensor] = lambda tensor: tensor,
        begun: Begun | None = None,
    ) -> None:
        self.epoch = epoch
        self.mean_over_processes = mean_over_processes
        self.begun = begun or Begun()
        self.counts = Counter(self.begun.counts)
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
        return {name: value / self.counts[name] for name, value in self.summed().items()}

    def so_far(self, iterations: int, started: float) -> Begun:
        """What is over of an epoch after so many iterations; `started` is when it began, or would have begun."""
        return Begun(iterations, time.perf_counter() - started, self.summed(), dict(self.counts))

    def summed(self) -> dict[str, float]:
        """Sum of every term since the epoch began, as a mean over processes.

        Raises:
            NonFiniteLoss: as `means`.
        """
        values = self.mean_over_processes(torch.stack(list(self.sums.values()))).tolist() if self.sums else []
        sums = dict(self.begun.sums)
        for name, value in zip(self.sums, values, strict=True):
            sums[name] = sums.get(name, 0.0) + value
        wrong = [name for name, value in sums.items() if not math.isfinite(value)]
        if wrong:
            raise NonFiniteLoss(
                f"The loss term {wrong[0]!r} became NaN or infinite in epoch {self.epoch}: lower --optimizer.lr, set "
                "--trainer.clip, or use --trainer.precision float32. The last state that was saved is kept."
            )
        return sums
