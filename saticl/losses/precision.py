"""Losses in full precision, whatever the network computes in.

Half precision overflows where features are squared and loses small probabilities where logits are exponentiated.
"""

from collections.abc import Callable
from functools import wraps
from itertools import chain
from typing import ParamSpec

import torch
from torch import Tensor

P = ParamSpec("P")

HALF = (torch.float16, torch.bfloat16)


def full_precision(loss: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Run `loss` outside autocast, with its half-precision tensors as float32; float64 stays float64."""

    @wraps(loss)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        device = next(value.device for value in chain(args, kwargs.values()) if isinstance(value, Tensor))
        widened = [_widen(value) for value in args]
        named = {name: _widen(value) for name, value in kwargs.items()}
        with torch.autocast(device.type, enabled=False):
            return loss(*widened, **named)  # type: ignore[arg-type]  # the same arguments, perhaps of wider dtype

    return wrapped


def _widen(value: object) -> object:
    return value.float() if isinstance(value, Tensor) and value.dtype in HALF else value
