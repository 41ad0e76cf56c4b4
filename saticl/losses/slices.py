"""Losses of single pixels, a few rows of the image at a time where there are many classes.

Scores of 151 classes for two images of 512 pixels are 300 MiB, and a loss makes several tensors of that size on its
way. Only one of them must stay: how the loss of a pixel changes with its own scores. It is found while the loss is, so
nothing is computed twice.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from saticl.types import Logits

LARGE = 2**24
"""Scores that are looked at together."""

PixelLoss = Callable[..., Tensor]
"""Takes scores [B, K, h, w], perhaps further tensors [..., h, w], and gives [B, h, w]."""


def by_slices(loss: PixelLoss, logits: Logits, *others: Tensor) -> Tensor:
    """`loss(logits, *others)` [B, H, W], with less memory where the scores are many.

    Args:
        loss: of single pixels: it may depend on no other pixel's scores.
        logits: [B, K, H, W].
        others: [..., H, W], without gradient.
    """
    if logits.numel() <= LARGE or not (torch.is_grad_enabled() and logits.requires_grad):
        return loss(logits, *others)
    return _Sliced.apply(loss, logits, *others)  # type: ignore[no-any-return]


class _Sliced(torch.autograd.Function):
    """The slopes are there when the value is."""

    @staticmethod
    def forward(ctx: Any, loss: PixelLoss, logits: Logits, *others: Tensor) -> Tensor:
        slopes, values = torch.empty_like(logits), []
        height = logits.shape[-2]
        rows = max(1, height * LARGE // logits.numel())
        for first in range(0, height, rows):
            part = slice(first, first + rows)
            scores = logits[:, :, part].detach().requires_grad_()
            with torch.enable_grad():
                value = loss(scores, *(other[..., part, :] for other in others))
                (slopes[:, :, part],) = torch.autograd.grad(value.sum(), scores)
            values.append(value.detach())
        ctx.save_for_backward(slopes)
        return torch.cat(values, dim=-2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (slopes,) = ctx.saved_tensors
        return None, gradients[0][:, None] * slopes, *[None] * (len(ctx.needs_input_grad) - 2)
