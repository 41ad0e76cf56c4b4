"""PI: what lowered the loss is held in place. Also known as synaptic intelligence.

F. Zenke, B. Poole, S. Ganguli: Continual Learning Through Synaptic Intelligence, ICML 2017, arXiv:1703.04200. As in
the code of MiB (Cermelli et al., CVPR 2020, arXiv:2002.00718).

    L = CE(z, y) + λ Σ_i Ω̂_i (θ_i - θ*_i)²
    ω ← ω + g (θ_before - θ)                                  at every update
    Ω ← Ω + max(0, ω / ((θ_end - θ_start)² + ξ))              at the end of a step

g: gradient of the loss at θ; θ_before: weights one update earlier; Ω̂: Ω of the previous steps, scaled to [0, 1] over
all weights.

Deviation: g is taken where a move ends, and the last move of a step is not counted, as in MiB's code; the paper takes
it where the move starts, a difference of second order. Deviation from MiB's code, undone by `pi.faithful`: there ξ is
1e-20, which gives weights that hardly moved nearly all importance, and Ω̂ is scaled within each tensor.
"""

import torch
from torch import nn

from saticl.methods.anchored import Anchored, Named, scaled_per_tensor, values
from saticl.methods.options import PIOptions


class PI(Anchored):
    """Cross entropy and a penalty weighted by each weight's part in lowering the loss."""

    name = "pi"
    kept = ("score",)
    options: PIOptions
    smallest = 1e-3
    """ξ where the user has chosen none."""

    @property
    def xi(self) -> float:
        """ξ."""
        return self.smallest if self.options.xi is None else self.options.xi

    def importance(self) -> Named:
        """Ω̂."""
        return self.scaled(self.memory["score"])

    def start(self, parameters: Named) -> None:
        """ω is 0, and nothing has moved."""
        self.memory["path"] = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
        for quantity in ("start", "before"):
            self.memory[quantity] = {name: tensor.clone() for name, tensor in parameters.items()}

    def observe(self, parameters: Named, gradients: Named) -> None:
        """ω."""
        add_path(self.memory["path"], self.memory["before"], parameters, gradients)

    @torch.no_grad()
    def end(self, student: nn.Module) -> None:
        """Ω."""
        old, path, start = (self.memory.get(quantity, {}) for quantity in ("score", "path", "start"))
        score = {}
        for name, parameter in student.named_parameters():
            gained = (path[name] / ((parameter - start[name]).square() + self.xi)).relu()
            score[name] = old[name] + gained if name in old else gained
        self.memory["score"] = score


class PublishedPI(PI):
    """PI as in the published runs: ξ is 1e-20, Ω̂ is scaled within each tensor."""

    smallest = 1e-20

    def scaled(self, named: Named) -> Named:
        """Within each tensor."""
        return scaled_per_tensor(named)


def add_path(path: Named, before: Named, parameters: Named, gradients: Named) -> None:
    """Path ← path + g (before - θ), then before ← θ, both in place."""
    earlier, now = values(before, gradients), values(parameters, gradients)
    moves = torch._foreach_sub(earlier, now)
    torch._foreach_addcmul_(values(path, gradients), list(gradients.values()), moves)
    torch._foreach_copy_(earlier, now)
