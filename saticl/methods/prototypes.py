"""What is left of the features of a class: a direction, how much it varies, and how long and how many they were.

Features f of the places of a class, u = f / ‖f‖:

    direction  mean of u, of length 1
    noise      root of the mean of (u - direction)², per dimension
    norm       mean of ‖f‖, and spread, its standard deviation
    count      number of places

From them features are drawn anew: (direction + ε noise) · max(0, norm + ε' spread), ε and ε' normal numbers.
"""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.methods.processes import sum_over_processes
from saticl.types import Feature, Labels


@dataclass(frozen=True)
class Prototypes:
    """Of K output indices, background first; classes of which no place was seen have a count of 0."""

    direction: Tensor
    """[K, D]."""
    noise: Tensor
    """[K, D]."""
    norm: Tensor
    """[K]."""
    spread: Tensor
    """[K]."""
    count: Tensor
    """[K]."""

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Of the tensors, in their order."""
        return tuple(field.name for field in fields(cls))

    @property
    def state(self) -> dict[str, Tensor]:
        """The tensors by name."""
        return {name: getattr(self, name) for name in self.names()}

    def rows(self, chosen: slice) -> "Prototypes":
        """Those of some output indices."""
        return Prototypes(*(tensor[chosen] for tensor in self.state.values()))

    def followed_by(self, more: "Prototypes") -> "Prototypes":
        """These, then others."""
        pairs = zip(self.state.values(), more.state.values(), strict=True)
        return Prototypes(*(torch.cat(pair) for pair in pairs))

    def draw(self, number: int, generator: torch.Generator) -> Tensor:
        """Features [K, number, D], on the device of the prototypes."""
        shape = (len(self.direction), number, self.direction.shape[1] + 1)
        drawn = torch.randn(shape, generator=generator, device=generator.device).to(self.direction.device)
        lengths = self.norm[:, None] + drawn[..., -1] * self.spread[:, None]
        return (self.direction[:, None] + drawn[..., :-1] * self.noise[:, None]) * lengths.clamp(min=0)[..., None]


class Sums:
    """Sums over batches, from which prototypes are made; of K output indices."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._total: Tensor | None = None

    def add(self, pixels: Feature, labels: Labels) -> None:
        """Features [B, D, h, w] and the output index of each place [B, h, w]; indices beyond K do not count."""
        indices = torch.arange(self._number, device=labels.device)
        for image, of_image in zip(pixels.float(), labels, strict=True):  # one by one, for less memory
            features = image.flatten(1).T
            lengths, unit = features.norm(dim=1, keepdim=True), F.normalize(features, dim=1)
            member = of_image.flatten() == indices[:, None]
            # the spread of lengths is a small difference of large sums
            lengths = lengths.double()
            precise = torch.cat([torch.ones_like(lengths), lengths, lengths.square()], dim=1)
            directions = torch.cat([unit, unit.square()], dim=1)
            summed = torch.cat([member.double() @ precise, (member.float() @ directions).double()], dim=1)
            self._total = summed if self._total is None else self._total + summed

    def prototypes(self) -> Prototypes:
        """Of the places of all processes, in float32.

        Raises:
            ValueError: nothing was added.
        """
        if self._total is None:
            raise ValueError("prototypes need at least one batch")
        total = self._total.clone()
        sum_over_processes(total)
        count = total[:, 0]
        means = total[:, 1:] / count.clamp(min=1)[:, None]
        norm, square = means[:, 0], means[:, 1]
        mean, mean_square = means[:, 2:].chunk(2, dim=1)
        direction = F.normalize(mean, dim=1)
        noise = (mean_square - 2 * direction * mean + direction.square()).clamp(min=0).sqrt()
        spread = (square - norm.square()).clamp(min=0).sqrt()
        return Prototypes(*(part.float() for part in (direction, noise, norm, spread, count)))
