"""What methods share that give every class a sigmoid, and the background no score.

A pixel is background where no class claims it:

    class of a pixel = the largest σ(z_k) where that is above 1/2, else background
    p_k = e^z_k / (1 + Σ_c e^z_c),  p_background = 1 / (1 + Σ_c e^z_c)              `PerClass.decode`

z_k is above 0 exactly where σ(z_k) is above 1/2, so the largest p is that class. p sums to 1, and the odds of a class
against the background, p_k / p_background = e^z_k, are those of its sigmoid. Row 0 of the first head has no part here.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from saticl.labels import BACKGROUND
from saticl.methods.base import Method, Network
from saticl.models.segmenter import Segmenter
from saticl.types import Logits, Output


class PerClass(Method):
    """Base of methods that train classes 1, 2, ... with sigmoids; statistics and dropout rest after step 0."""

    needs_own_base = True

    @classmethod
    def decode(cls, output: Output) -> Tensor:
        """The probabilities above."""
        return unclaimed(output.logits).softmax(1)

    @classmethod
    def classes(cls, output: Output) -> Tensor:
        """The class of every pixel."""
        return unclaimed(output.logits).argmax(1)

    def resting(self, student: nn.Module) -> Iterable[nn.Module]:
        """In a step that learns new classes beside old ones everything: batch norms keep their statistics."""
        return (student,) if self.is_later else ()

    @property
    def is_later(self) -> bool:
        """Whether the step learns new classes beside old ones."""
        return self.task.step > 0 and bool(self.task.new)

    @property
    def taught(self) -> range:
        """Output indices of the classes that the labels of this step teach, the background left out."""
        return range(self.task.num_old if self.task.new else 1, self.task.num_seen)


def unclaimed(logits: Logits) -> Logits:
    """Scores [B, K, H, W] in which the background has 0, the score of a sigmoid of 1/2."""
    claims = logits[:, BACKGROUND + 1 :].float()
    return torch.cat([torch.zeros_like(logits[:, :1], dtype=claims.dtype), claims], dim=1)


def segmenter(network: Network | nn.Module) -> Segmenter:
    """The student as a segmenter: whoever remembers its outputs passes on all that it has."""
    return cast(Segmenter, network)


def previous(teacher: Network | nn.Module) -> Segmenter:
    """The segmenter inside the previous step's network."""
    return cast(Segmenter, cast(nn.Module, teacher).segmenter)
