"""Two convolutions where there was one: representation compensation (RCIL, arXiv:2203.05402).

    double   conv, norm  ->  Branches(conv, norm, another conv, another norm)
    merge    the same convolution and norm again, which compute what both branches computed in evaluation

A doubled network has other names of tensors; a merged one is as it was before.
"""

import copy
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from saticl.models.norm import give_activation, has_statistics, scale_of, set_scale, take_activation
from saticl.types import Feature

BLOCKS = ("BasicBlock", "Bottleneck")
"""Classes of residual blocks: of timm's ResNets and those made of their blocks, and ours."""


class Place(NamedTuple):
    """A 3x3 convolution that is directly followed by a norm."""

    owner: nn.Module
    conv: str
    """Its name in the owner; the norm's is the same with bn."""

    @property
    def norm(self) -> str:
        """Name of the norm."""
        return self.conv.replace("conv", "bn")


class Branches(nn.Module):
    """The mean of two branches, convolution and norm, then the activation: [B, C, h, w] to [B, D, h', w'].

    In training a random number per channel and call decides: the first branch alone, the second alone, or their mean,
    each in a third of all cases. Processes draw numbers of their own, as for dropout.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.Module) -> None:
        super().__init__()
        self.activation = take_activation(norm)
        self.conv, self.norm = conv, norm
        self.other_conv, self.other_norm = copy.deepcopy(conv), copy.deepcopy(norm)

    def forward(self, x: Feature) -> Feature:
        """Mix and activate."""
        first, second = self.norm(self.conv(x)), self.other_norm(self.other_conv(x))
        mixed = torch.lerp(second, first, self._share(first)) if self.training else (first + second) / 2
        activated: Tensor = self.activation(mixed)
        return activated

    def _share(self, first: Tensor) -> Tensor:
        """Of the first branch, [D, 1, 1]."""
        drawn = torch.rand(first.shape[1], 1, 1, device=first.device)
        return torch.where(drawn < 1 / 3, 1.0, torch.where(drawn < 2 / 3, 0.0, 0.5)).to(first.dtype)

    @torch.no_grad()
    def restart(self) -> None:
        """Begin the other branch from random weights of the same spread, and a norm without statistics."""
        nn.init.normal_(self.other_conv.weight, std=float(self.conv.weight.std()))
        for name, value in (("running_mean", 0.0), ("running_var", 1.0)):
            getattr(self.other_norm, name).fill_(value)

    def rest(self) -> None:
        """Train the first branch no more; its norm must stay in evaluation mode, too."""
        self.conv.requires_grad_(False)
        self.norm.requires_grad_(False)

    @torch.no_grad()
    def merged(self) -> tuple[nn.Conv2d, nn.Module]:
        """One convolution and one norm that compute the mean of both.

        The norm's statistics are those of its input: the mean exactly, and the variance as if both branches answered
        alike (`measure` in `methods/fusing.py` counts it).
        """
        conv, norm = self.conv, self.norm
        both = (_folded(conv, norm), _folded(self.other_conv, self.other_norm))
        kernel, offset, mean, scale = (torch.stack(pair).mean(0) for pair in zip(*both, strict=True))
        conv.weight.copy_(kernel)
        if conv.bias is not None:
            conv.bias.zero_()
        restate(norm, mean, scale.square(), torch.ones_like(mean), offset)
        give_activation(norm, self.activation)
        return conv, norm


@torch.no_grad()
def restate(norm: Any, mean: Tensor, variance: Tensor, factor: Tensor, offset: Tensor) -> None:
    """Give a batch norm these statistics [D], and weights with which it makes factor x + offset of its input x.

    In evaluation; In-Place ABN only where no factor is negative.
    """
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    set_scale(norm, factor * (norm.running_var.double() + norm.eps).sqrt())
    norm.bias.copy_(offset + factor * norm.running_mean)


def line_of(norm: Any) -> tuple[Tensor, Tensor]:
    """Factor and offset [D], in float64, of a batch norm in evaluation, without its activation."""
    factor = scale_of(norm).double() / (norm.running_var.double() + norm.eps).sqrt()
    return factor, norm.bias - factor * norm.running_mean


def _folded(conv: nn.Conv2d, norm: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Kernel and offset of both as one convolution, the mean of what this kernel gives, and the size of its scale."""
    factor, offset = line_of(norm)
    bias = torch.zeros_like(offset) if conv.bias is None else conv.bias.double()
    kernel = conv.weight * factor.view(-1, 1, 1, 1)
    return kernel, offset + factor * bias, factor * (norm.running_mean - bias), scale_of(norm).double().abs()


def places(encoder: nn.Module) -> Iterator[Place]:
    """Every conv<n> of 3x3 beside a bn<n> with statistics, in a residual block or a part of one."""
    for block in [module for module in encoder.modules() if type(module).__name__ in BLOCKS]:
        for owner in (block, *block.children()):
            for name, conv in owner.named_children():
                place = Place(owner, name)
                norm = getattr(owner, place.norm, None) if re.fullmatch(r"conv\d+", name) else None
                if (
                    type(conv) is nn.Conv2d
                    and conv.kernel_size == (3, 3)
                    and norm is not None
                    and has_statistics(norm)
                ):
                    yield place


def double(encoder: nn.Module) -> list[Branches]:
    """Put a second branch, a copy of the first, beside every place of an encoder."""
    doubled = []
    for place in list(places(encoder)):
        branches = Branches(getattr(place.owner, place.conv), getattr(place.owner, place.norm))
        setattr(place.owner, place.conv, branches)
        setattr(place.owner, place.norm, nn.Identity())
        doubled.append(branches)
    return doubled


def branches_of(network: nn.Module) -> list[Branches]:
    """What `double` has made, in the same order."""
    return [module for module in network.modules() if isinstance(module, Branches)]


def merge(network: nn.Module) -> list[nn.Module]:
    """Make one of every two branches; returns the norms of the results."""
    norms = []
    for owner in list(network.modules()):
        for name, branches in list(owner.named_children()):
            if isinstance(branches, Branches):
                place = Place(owner, name)
                conv, norm = branches.merged()
                setattr(owner, place.conv, conv)
                setattr(owner, place.norm, norm)
                norms.append(norm)
    return norms
