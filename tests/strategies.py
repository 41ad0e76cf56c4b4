"""Hypothesis strategies: scores and labels of a step, in float64."""

from typing import NamedTuple

import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

# no deadline: how long an example takes says more about the machine's other work than about the code
settings.register_profile("saticl", deadline=None, max_examples=50)
settings.load_profile("saticl")

IGNORE = 255

seeds = st.integers(0, 2**32 - 1)


class StepCase(NamedTuple):
    """One batch at an incremental step."""

    logits: Tensor
    """[B, K, H, W] of the student."""
    old_logits: Tensor
    """[B, num_old, H, W] of the teacher."""
    target: Tensor
    """[B, H, W]: any of the K classes, old ones included, and IGNORE."""
    num_old: int


@st.composite
def step_cases(draw: st.DrawFn, num_old: int | None = None, scale: float = 3.0) -> StepCase:
    """A small batch with one to three old outputs (background among them) and up to three new ones."""
    num_old = draw(st.integers(1, 3)) if num_old is None else num_old
    num_classes = num_old + draw(st.integers(1, 3))
    shape = [draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    random = torch.Generator().manual_seed(draw(seeds))
    target = torch.randint(num_classes, shape, generator=random)
    ignored = torch.rand(shape, generator=random) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    return StepCase(
        logits=scale * normal((shape[0], num_classes, *shape[1:]), random),
        old_logits=scale * normal((shape[0], num_old, *shape[1:]), random),
        target=target.masked_fill(ignored, IGNORE),
        num_old=num_old,
    )


@st.composite
def feature_pairs(draw: st.DrawFn, multiple: int = 1) -> tuple[Tensor, Tensor]:
    """Two maps of the same shape [B, D, h, w], sides multiples of `multiple`."""
    sides = [multiple * draw(st.integers(1, 3)) for _ in range(2)]
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *sides)
    random = torch.Generator().manual_seed(draw(seeds))
    return normal(shape, random), normal(shape, random)


def normal(shape: tuple[int, ...], random: torch.Generator) -> Tensor:
    """Normal numbers in float64."""
    return torch.randn(shape, generator=random, dtype=torch.float64)
