"""Randomness in one place: every iteration of every step starts from a seed of its own.

So a resumed run needs no saved generator: an iteration draws the same dropout masks and turns, and an epoch the same
order of tiles, whether or not those before it ran in this process.
"""

import random

import numpy as np
import torch


def derive(*parts: int) -> int:
    """A 63-bit seed from several numbers, without the correlations of adding them."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_everything(*parts: int) -> None:
    """Seed Python, NumPy and torch (all devices) from the given numbers."""
    seed = derive(*parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries below us draw from the global generator
    torch.manual_seed(seed)


def generator(*parts: int) -> torch.Generator:
    """A CPU generator of its own, equal on all processes that name the same numbers."""
    return torch.Generator().manual_seed(derive(*parts))
