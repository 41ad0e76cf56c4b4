"""The classifier: one head per step, on the pixels of a body."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saticl.labels import BACKGROUND
from saticl.options import ModelOptions
from saticl.types import Feature, Logits


class Classifier(nn.Module):
    """Scores of pixels for every class learned so far: dropout, then all heads side by side.

    Output index 0 is the background; heads stand in learning order, so an index never moves.

    Args:
        options: dropout, and how new heads start.
        width: channels of the pixels.
        head_sizes: outputs of each head: 1 + the classes of step 0, then the new classes of each later step; a step
            without new classes, 0, has no head.
        kernel: side of the heads' kernels. Odd: beyond the border pixels are 0. 2: heads make four pixels of one.
    """

    further: nn.ModuleList
    """Heads that a method adds beside the classes (`add_further`), such as one for pixels of no class: their scores
    come last, and the method's `decode` takes them away."""

    def __init__(self, options: ModelOptions, width: int, head_sizes: Sequence[int], kernel: int = 1) -> None:
        super().__init__()
        self.balanced = options.init_balanced
        self.dropout = nn.Dropout2d(options.dropout) if options.dropout2d else nn.Dropout(options.dropout)
        self.heads = nn.ModuleList(_head(width, size, kernel) for size in head_sizes if size)
        self.further = nn.ModuleList()

    @property
    def num_classes(self) -> int:
        """Classes seen so far, background included: channels of the scores."""
        return sum(_conv(head).out_channels for head in self.heads)

    def forward(self, pixels: Feature) -> Logits:
        """Pixels [B, width, h, w] to scores [B, K, h, w], or [B, K, 2h, 2w] with kernels of 2; then further ones."""
        pixels = self.dropout(pixels)
        return torch.cat([head(pixels) for head in (*self.heads, *self.further)], dim=1)

    def grow(self, num_new: int) -> None:
        """Append the head of a new step, on the device and in the precision of the others; none for 0 new classes.

        With `options.init_balanced` it starts from the background (MiB, arXiv:2002.00718, eq. 10): its weights and
        bias are copies of the background's, row 0 of head 0, and the biases of the background and of the new classes
        are lowered by log(num_new + 1). So what was the background's probability is shared equally by it and the new
        classes, and no other class notices.
        """
        if num_new == 0:
            return
        head = self._another(num_new)
        if self.balanced:
            _share_background(_conv(self.heads[0]), head)
        self.heads.append(head)

    def add_further(self, size: int) -> None:
        """Append a head that scores no class, on the device and in the precision of the others."""
        self.further.append(self._another(size))

    def _another(self, size: int) -> nn.Conv2d:
        first = _conv(self.heads[0])
        weight = first.weight
        return _head(first.in_channels, size, weight.shape[-1]).to(weight.device, weight.dtype)


class Doubling(nn.Conv2d):
    """A transposed convolution, 2x2 with stride 2, whose weights stand as those of other heads: [K, width, 2, 2].

    Each of the four weights of a pixel makes one of the four scores in its place.
    """

    side = 2
    """Of its kernel, and what bodies say that want such heads."""

    def forward(self, x: Feature) -> Logits:
        """[B, width, h, w] to [B, K, 2h, 2w]."""
        return score(x, self.weight, self.bias)


def score(pixels: Feature, rows: Tensor, biases: Tensor | None) -> Logits:
    """Scores of pixels by rows [K, width, k, k] that are no head's, as a head of that kernel gives them."""
    if rows.shape[-1] == Doubling.side:
        scores: Tensor = F.conv_transpose2d(pixels, rows.transpose(0, 1), biases, stride=2)
        return scores
    return F.conv2d(pixels, rows, biases, padding=rows.shape[-1] // 2)


def _head(width: int, size: int, kernel: int) -> nn.Conv2d:
    if kernel == Doubling.side:
        return Doubling(width, size, kernel)
    return nn.Conv2d(width, size, kernel, padding=kernel // 2)


@torch.no_grad()
def _share_background(first: nn.Conv2d, head: nn.Conv2d) -> None:
    """Start `head` from the background row of `first`, and lower both biases."""
    old, new = first.bias, head.bias
    if old is None or new is None:
        raise ValueError("heads have biases")
    old[BACKGROUND] -= math.log(head.out_channels + 1)
    new.copy_(old[BACKGROUND].expand_as(new))
    head.weight.copy_(first.weight[BACKGROUND].expand_as(head.weight))


def _conv(head: nn.Module) -> nn.Conv2d:
    """Heads are convolutions, which a ModuleList does not know."""
    if not isinstance(head, nn.Conv2d):
        raise TypeError(f"a head is a convolution, not {type(head).__name__}")
    return head
