"""EWC: what the loss was sensitive to is held in place.

J. Kirkpatrick et al.: Overcoming catastrophic forgetting in neural networks, PNAS 2017, arXiv:1612.00796. In the
online form of A. Chaudhry et al., Riemannian Walk, ECCV 2018, arXiv:1801.10112, as in the code of MiB
(arXiv:2002.00718).

    L = CE(z, y) + λ Σ_i F̂_i (θ_i - θ*_i)²
    F ← α F + (1 - α) g²        at every update, g: gradient of the mean loss of the batch

F̂: F of the previous step, scaled to [0, 1] over all weights. F goes on from step to step, and starts at 0.

Deviation: g is the gradient of a batch, not of single pixels or images. Deviation: no factor 1/2, as in MiB's code.
Deviation from MiB's code, undone by `ewc.faithful`: there α weighs the newest batch, so that F remembers two or three;
F starts at 1; and F̂ is scaled within each tensor, which frees tensors whose values are all below 1e-8.
"""

import torch

from saticl.methods.anchored import Anchored, Named, scaled_per_tensor, values
from saticl.methods.options import EWCOptions


class EWC(Anchored):
    """Cross entropy and a penalty weighted by the diagonal of the Fisher information."""

    name = "ewc"
    kept = ("fisher",)
    options: EWCOptions

    first_fisher = 0.0
    """F of weights that are new."""

    def importance(self) -> Named:
        """F̂."""
        return self.scaled(self.memory["fisher"])

    def start(self, parameters: Named) -> None:
        """F of new weights."""
        start_fisher(self.memory.setdefault("fisher", {}), parameters, self.first_fisher)

    def observe(self, parameters: Named, gradients: Named) -> None:
        """F."""
        update_fisher(self.memory["fisher"], gradients, self.past_share())

    def past_share(self) -> float:
        """How much of F survives an update."""
        return self.options.alpha


class PublishedEWC(EWC):
    """EWC as in the published runs: α weighs the newest batch, F starts at 1, F̂ is scaled within each tensor."""

    first_fisher = 1.0

    def past_share(self) -> float:
        """What α leaves."""
        return 1 - self.options.alpha

    def scaled(self, named: Named) -> Named:
        """Within each tensor."""
        return scaled_per_tensor(named)


def start_fisher(fisher: Named, parameters: Named, first: float) -> None:
    """Add weights that `fisher` does not hold yet."""
    fisher.update({name: torch.full_like(tensor, first) for name, tensor in parameters.items() if name not in fisher})


def update_fisher(fisher: Named, gradients: Named, past: float) -> None:
    """F ← past F + (1 - past) g², in place, for weights with a gradient."""
    state, newest = values(fisher, gradients), list(gradients.values())
    torch._foreach_mul_(state, past)
    torch._foreach_addcmul_(state, newest, newest, value=1 - past)
