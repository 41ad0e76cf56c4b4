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

from saticl.methods.anchored import Anchored, Named, values
from saticl.methods.options import EWCOptions


class EWC(Anchored):
    """Cross entropy and a penalty weighted by the diagonal of the Fisher information."""

    name = "ewc"
    kept = ("fisher",)
    options: EWCOptions

    def importance(self) -> Named:
        """F̂."""
        return self.scaled(self.memory["fisher"])

    def start(self, parameters: Named) -> None:
        """F of new weights."""
        start_fisher(self.memory.setdefault("fisher", {}), parameters, self.options.faithful)

    def observe(self, parameters: Named, gradients: Named) -> None:
        """F."""
        update_fisher(self.memory["fisher"], gradients, past_share(self.options.alpha, self.options.faithful))


def start_fisher(fisher: Named, parameters: Named, faithful: bool) -> None:
    """Add weights that `fisher` does not hold yet."""
    fill = torch.ones_like if faithful else torch.zeros_like
    fisher.update({name: fill(tensor) for name, tensor in parameters.items() if name not in fisher})


def past_share(alpha: float, faithful: bool) -> float:
    """How much of F survives an update; the published code gives alpha to the newest batch instead."""
    return 1 - alpha if faithful else alpha


def update_fisher(fisher: Named, gradients: Named, past: float) -> None:
    """F ← past F + (1 - past) g², in place, for weights with a gradient."""
    state, newest = values(fisher, gradients), list(gradients.values())
    torch._foreach_mul_(state, past)
    torch._foreach_addcmul_(state, newest, newest, value=1 - past)
