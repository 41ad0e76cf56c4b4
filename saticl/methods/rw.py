"""RW: EWC and PI together, the second measured by how far the distribution moved.

A. Chaudhry, P. K. Dokania, T. Ajanthan, P. H. S. Torr: Riemannian Walk for Incremental Learning, ECCV 2018,
arXiv:1801.10112. As in the code of MiB (Cermelli et al., CVPR 2020, arXiv:2002.00718).

    L = CE(z, y) + λ Σ_i (F̂_i + ŝ_i) (θ_i - θ*_i)²
    F ← α F + (1 - α) g²                                                  at every update
    gain ← gain + Σ_u g_u (θ_{u-1} - θ_u) / (½ F Δθ² + 1e-8)              every `interval` updates u
    s ← ½ (s + max(0, gain)), at first max(0, gain)                       at the end of a step

g: gradient of the loss; Δθ: move over the interval; F̂, ŝ: of the previous step, each scaled to [0, 1] over all
weights.

Deviation: gains are clipped at the end of the step, as in MiB's code; the authors' code clips every interval, and adds
the average of scores to the old score where the paper takes the average. Deviation from MiB's code, undone by
`rw.faithful`: there only the last gradient of an interval is multiplied with its whole move, α weighs the newest
batch, F starts at 1, and F̂ and ŝ are scaled within each tensor.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from saticl.methods.anchored import Anchored, Named, scaled_per_tensor, values
from saticl.methods.base import Criterion
from saticl.methods.ewc import start_fisher, update_fisher
from saticl.methods.options import RWOptions
from saticl.methods.pi import add_path
from saticl.options import KDOptions
from saticl.tasks import Task

Tensors = list[Tensor] | tuple[Tensor, ...]

SMALLEST = 1e-8
"""Keeps the gain of weights that did not move finite."""


class RW(Anchored):
    """Cross entropy and a penalty weighted by Fisher information and path integral."""

    name = "rw"
    kept = ("fisher", "score")
    options: RWOptions
    first_fisher = 0.0
    """F of weights that are new."""

    def __init__(self, task: Task, criterion: Criterion, kd: KDOptions, options: RWOptions) -> None:
        super().__init__(task, criterion, kd, options)
        self.updates = 0
        """Of this step."""

    def importance(self) -> Named:
        """F̂ + ŝ."""
        fisher, score = self.scaled(self.memory["fisher"]), self.scaled(self.memory["score"])
        return {name: fisher[name] + score[name] for name in fisher}

    def start(self, parameters: Named) -> None:
        """F of new weights; nothing has been gained or has moved."""
        start_fisher(self.memory.setdefault("fisher", {}), parameters, self.first_fisher)
        for quantity in ("gain", "path"):
            self.memory[quantity] = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
        for quantity in ("start", "before"):
            self.memory[quantity] = {name: tensor.clone() for name, tensor in parameters.items()}

    def observe(self, parameters: Named, gradients: Named) -> None:
        """The path at every update, the gain at every `interval`, then F."""
        add_path(self.memory["path"], self.memory["before"], parameters, gradients)
        if self.updates % self.options.interval == 0:
            self._gain(parameters, gradients)
        self.updates += 1
        update_fisher(self.memory["fisher"], gradients, self.past_share())

    def _gain(self, parameters: Named, gradients: Named) -> None:
        """Add what the interval gained, and start the next one here."""
        start, path, gain, fisher = (
            values(self.memory[name], gradients) for name in ("start", "path", "gain", "fisher")
        )
        moves = torch._foreach_sub(start, values(parameters, gradients))
        gained = self.gained(path, list(gradients.values()), moves)
        distance = torch._foreach_mul(torch._foreach_mul(moves, moves), fisher)
        torch._foreach_mul_(distance, 0.5)
        torch._foreach_add_(distance, SMALLEST)
        torch._foreach_addcdiv_(gain, gained, distance)
        torch._foreach_zero_(path)
        torch._foreach_copy_(start, values(parameters, gradients))

    def gained(self, path: Tensors, gradients: Tensors, moves: Tensors) -> Tensors:
        """What the interval has lowered the loss by: the path over all its updates."""
        return path

    def past_share(self) -> float:
        """How much of F survives an update."""
        return self.options.alpha

    @torch.no_grad()
    def end(self, student: nn.Module) -> None:
        """S."""
        old, gain = self.memory.get("score", {}), self.memory["gain"]
        self.memory["score"] = {
            name: (old[name] + tensor.relu()) / 2 if name in old else tensor.relu() for name, tensor in gain.items()
        }

    def running_state(self) -> dict[str, Tensor]:
        """Everything, and the count of updates."""
        return {**super().running_state(), "rw.count.updates": torch.tensor(self.updates)}

    def resume_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `running_state` gave."""
        super().resume_state(state)
        self.updates = int(self.memory.pop("count")["updates"])


class PublishedRW(RW):
    """RW as in the published runs: the last gradient alone, α weighs the newest batch, F starts at 1, scaled apart."""

    first_fisher = 1.0

    def gained(self, path: Tensors, gradients: Tensors, moves: Tensors) -> Tensors:
        """The last gradient times the whole move."""
        return torch._foreach_mul(gradients, moves)

    def past_share(self) -> float:
        """What α leaves."""
        return 1 - self.options.alpha

    def scaled(self, named: Named) -> Named:
        """Within each tensor."""
        return scaled_per_tensor(named)
