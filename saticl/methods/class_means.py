"""Mean features of classes that a method carries from step to step."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from saticl.errors import InvalidCheckpoint
from saticl.methods.processes import sum_over_processes


class ClassMeans(nn.Module):
    """Means [K, D] and the number of positions [K] that each is of; K grows with every step.

    Buffers, so they are saved, resumed and kept with the best weights. D is known once there is a network or a state.
    """

    means: Tensor
    counts: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(num_classes, 0))
        self.register_buffer("counts", torch.zeros(num_classes, dtype=torch.int64))

    @property
    def known(self) -> Tensor:
        """Which classes have a mean: bool [K]."""
        return self.counts > 0

    def make_room(self, width: int) -> None:
        """Means of D = `width` channels; those that are there stay."""
        if self.means.shape[1] != width:
            self.means = self.means.new_zeros(len(self.means), width)

    @torch.no_grad()
    def add(self, sums: Tensor, counts: Tensor) -> None:
        """Go on with the running means: `sums` [K, D] of `counts` [K] more positions, here and in all processes."""
        sums, counts = sums.clone(), counts.clone()
        sum_over_processes(sums, counts)
        self.counts.add_(counts)
        missing = sums - counts[:, None] * self.means
        self.means.add_(missing / self.counts.clamp(min=1)[:, None])

    @torch.no_grad()
    def replace(self, sums: Tensor, counts: Tensor) -> None:
        """Begin anew with classes that these are of, those of all processes; the others stay."""
        sums, counts = sums.clone(), counts.clone()
        sum_over_processes(sums, counts)
        seen = counts > 0
        self.means.copy_((sums / counts.clamp(min=1)[:, None]).where(seen[:, None], self.means))
        self.counts.copy_(counts.where(seen, self.counts))

    def inherited(self, state: Mapping[str, Tensor], prefix: str, method: str) -> dict[str, Tensor]:
        """What the previous step left under `prefix`, with rows of 0 for the classes that are new.

        Raises:
            InvalidCheckpoint: it left nothing.
        """
        if not state:
            raise InvalidCheckpoint(
                f"The previous step left no state for {method}, which needs the mean features of the old classes: "
                f"train the steps before this one with --method {method}."
            )
        if f"{prefix}.means" in state:
            self.make_room(state[f"{prefix}.means"].shape[1])
        return {name: _with_rows(tensor, len(self.counts)) for name, tensor in state.items()}


def _with_rows(tensor: Tensor, rows: int) -> Tensor:
    missing = max(rows - len(tensor), 0)
    return torch.cat([tensor, tensor.new_zeros(missing, *tensor.shape[1:])])
