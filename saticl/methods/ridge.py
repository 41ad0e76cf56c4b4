"""Ridge regression of classes on features, from sums that later data add to: in parts it gives what it gives at once.

    W = (XᵀX + γ I)⁻¹ Xᵀ Y                                    X [N, M] features, Y [N, K] one-hot labels
    balanced: W = (Σ_c A_c / n_c + γ I)⁻¹ [.., Σ_{y = c} x / n_c, ..],    A_c = Σ_{y = c} x xᵀ, n_c samples of class c

The first is what recursive least squares, R_t = (R_{t-1}⁻¹ + XᵀX)⁻¹ and W_t = W_{t-1} + R_t Xᵀ (Y - X W_{t-1}) with
R_0 = I / γ, gives after any number of parts: R⁻¹ - γ I is the sum that is kept here. All in float64.
"""

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.methods.processes import sum_over_processes


@dataclass(frozen=True)
class Sums:
    """What a regression needs of the samples seen so far."""

    gram: Tensor
    """Σ x xᵀ [G, M, M]: of all samples (G = 1), or of those of each class (G = K)."""
    moments: Tensor
    """Σ x of each class [M, K]."""
    counts: Tensor
    """Samples of each class [K]."""

    @classmethod
    def of_nothing(cls, width: int, classes: int, balanced: bool, device: torch.device) -> Self:
        """Before the first sample."""
        groups = classes if balanced else 1
        shapes = (groups, width, width), (width, classes), (classes,)
        return cls(*(torch.zeros(shape, dtype=torch.float64, device=device) for shape in shapes))

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Count samples: features [N, M] float64, labels [N] from 0 to K - 1."""
        classes = len(self.counts)
        if len(self.gram) == 1:
            self.gram[0] += features.T @ features
        else:
            for label in range(classes):
                own = features[labels == label]
                self.gram[label] += own.T @ own
        one_hot = F.one_hot(labels, classes).to(features.dtype)
        self.moments.add_(features.T @ one_hot)
        self.counts.add_(one_hot.sum(0))

    def over_processes(self) -> Self:
        """Added up over all processes, in place."""
        sum_over_processes(*vars(self).values())
        return self

    def plus(self, earlier: "Sums") -> "Sums":
        """Together with the sums of earlier samples, which know the first of these classes; both stay."""
        gram, moments, counts = self.gram.clone(), self.moments.clone(), self.counts.clone()
        gram[: len(earlier.gram)] += earlier.gram
        moments[:, : len(earlier.counts)] += earlier.moments
        counts[: len(earlier.counts)] += earlier.counts
        return Sums(gram, moments, counts)

    def solve(self, gamma: float) -> Tensor:
        """W [M, K], NaN where features are too large or not finite."""
        weight = torch.ones_like(self.counts) if len(self.gram) == 1 else 1 / self.counts.clamp(min=1)
        gram = torch.einsum("g,gij->ij", weight[: len(self.gram)], self.gram)
        gram.diagonal().add_(gamma)
        factor, failed = torch.linalg.cholesky_ex(gram)
        return torch.cholesky_solve(self.moments * weight, factor).where(failed == 0, torch.nan)
