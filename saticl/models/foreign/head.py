"""The last layer of a foreign network as a head of ours: the background first, whoever is the background there.

Without a background among its classes, index 0 needs a row that changes no answer, and that later steps can start
from: the mean of all rows, minus one. A mean is never above the largest, so this background never wins; and it is
highest where no class stands out. A row of zeros with a low bias would not win either, but new classes that start from
it would be as dead as it is (docs/decisions/0024-an-imported-background-never-wins.md).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from saticl.errors import InvalidOptions

MARGIN = 1.0
"""By which an artificial background stays below the mean of the scores."""


@dataclass(frozen=True)
class Channels:
    """What the outputs of a foreign network mean.

    Raises:
        InvalidOptions: a background that is not among the classes or could be mistaken, or nothing besides it.
    """

    classes: tuple[str, ...]
    """In the order of the outputs."""
    background: str | None = None
    """The one of them that is everything else; None: there is none."""

    def __post_init__(self) -> None:
        known = ", ".join(self.classes)
        if self.background is not None and self.background not in self.classes:
            raise InvalidOptions(f"--background {self.background} is none of the --classes {known}: name one of them.")
        if self.background is None and "background" in self.classes:
            raise InvalidOptions(
                "One of the --classes is called background, but --background does not say so: add --background "
                "background, or give the class another name."
            )
        if not self.learned:
            raise InvalidOptions(f"--classes {known} holds nothing but the background: name the other classes, too.")

    @property
    def learned(self) -> tuple[str, ...]:
        """All but the background, in their order: output indices from 1."""
        return tuple(name for name in self.classes if name != self.background)

    def require(self, outputs: int) -> None:
        """Refuse a network with another number of outputs.

        One output is enough for a single class: it is the score of this class against everything else.

        Raises:
            InvalidOptions: naming both numbers.
        """
        if outputs != len(self.classes) and not (outputs == 1 and len(self.learned) == 1):
            raise InvalidOptions(
                f"The model has {outputs} outputs, and --classes names {len(self.classes)} "
                f"({', '.join(self.classes)}): name one class per output, in their order, "
                "the background included (and again with --background)."
            )


def rows(weight: Tensor, channels: Channels) -> Tensor:
    """Weights [outputs, ...] of the last layer as those of a head [1 + learned classes, ...], the background first."""
    if len(weight) == 1:  # a sigmoid is a softmax over 0 and the score
        return torch.cat([torch.zeros_like(weight), weight])
    if channels.background is None:
        return torch.cat([weight.mean(dim=0, keepdim=True), weight])
    return weight[[channels.classes.index(name) for name in (channels.background, *channels.learned)]]


def biases(bias: Tensor, channels: Channels) -> Tensor:
    """As `rows`, for the biases [outputs]."""
    head = rows(bias, channels)
    if len(bias) > 1 and channels.background is None:
        head[0] -= MARGIN
    return head
