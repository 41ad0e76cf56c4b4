"""The classifier of BARM: every step has an ear of its own, and corrects the background by a residual.

A. Zhang, G. Gao: Background Adaptation with Residual Modeling, ECCV 2024, arXiv:2407.09838.

    h_s = head of step s on its ear: its residual r_s, then the scores of its classes
    b   = r_0 + Σ_{s >= 1} min(r_s, 0)               score of the background
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from saticl.labels import BACKGROUND
from saticl.models.classifier import Classifier, Doubling
from saticl.types import Feature, Logits


class Ear(nn.Sequential):
    """3x3 convolution, batch norm, ReLU: what one step's head sees of the pixels [B, width, h, w]."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())


class EarClassifier(nn.Module):
    """Scores of pixels for every class learned so far: what a `Classifier` gives, by an ear and a head per step.

    Attributes:
        dropout: before the ears.
        ears: one per step that brought classes.
        heads: of the same steps, each with a residual of the background before the scores of its classes.
        current: index of the step being trained: in training its residual is not clamped, and those of the others are
            detached. None: all steps are over.

    Args:
        plain: whose dropout and kind of heads are taken.
        head_sizes: outputs of each head of a plain classifier: 1 + the classes of step 0, then those of each later
            step; a step without new classes, 0, has no ear.
    """

    current: int | None = None

    def __init__(self, plain: Classifier, head_sizes: Sequence[int]) -> None:
        super().__init__()
        first, *later = (size for size in head_sizes if size)
        like = _conv(plain.heads[0])
        sizes = [first, *(1 + size for size in later)]
        self.dropout = plain.dropout
        self.ears = nn.ModuleList(Ear(like.in_channels).to(like.weight.device, like.weight.dtype) for _ in sizes)
        self.heads = nn.ModuleList(_head(like, size) for size in sizes)

    @property
    def num_classes(self) -> int:
        """Classes seen so far, background included: channels of the scores."""
        return sum(_conv(head).out_channels for head in self.heads) - len(self.heads) + 1

    def forward(self, pixels: Feature) -> Logits:
        """Pixels [B, width, h, w] to scores [B, K, h, w], background first; [B, K, 2h, 2w] with kernels of 2."""
        return self.joined(self.scored(self.heard(pixels)))

    def heard(self, pixels: Feature) -> list[Feature]:
        """What each ear makes of the pixels: [B, width, h, w] per step."""
        pixels = self.dropout(pixels)
        return [ear(pixels) for ear in self.ears]

    def scored(self, heard: Sequence[Feature]) -> list[Logits]:
        """What each head makes of its ear: h_s [B, 1 + classes, h, w] per step."""
        return [head(features) for head, features in zip(self.heads, heard, strict=True)]

    def joined(self, scores: Sequence[Logits]) -> Logits:
        """The scores of all steps with one background [B, K, h, w]."""
        residuals = [one[:, BACKGROUND : BACKGROUND + 1] for one in scores]
        background = self._background(residuals)
        return torch.cat([background, *(one[:, BACKGROUND + 1 :] for one in scores)], dim=1)

    def grow(self, num_new: int) -> None:
        """Append ear and head of a new step: the ear is a copy of that of step 0; none for 0 new classes."""
        if num_new == 0:
            return
        self.ears.append(copy.deepcopy(self.ears[0]))
        self.heads.append(_head(_conv(self.heads[0]), 1 + num_new))

    def _background(self, residuals: Sequence[Tensor]) -> Tensor:
        """[B, 1, h, w]."""
        clamped = [residuals[0], *(one.clamp(max=0) for one in residuals[1:])]
        if self.current is None or not self.training:
            return torch.stack(clamped).sum(0)
        del clamped[self.current]
        return sum((one.detach() for one in clamped), residuals[self.current])


def _head(like: nn.Conv2d, size: int) -> nn.Conv2d:
    """A head of the same kind, device and precision."""
    kernel = like.kernel_size[0]
    padding = 0 if kernel == Doubling.side else kernel // 2
    return type(like)(like.in_channels, size, kernel, padding=padding).to(like.weight.device, like.weight.dtype)


def _conv(head: nn.Module) -> nn.Conv2d:
    """Heads are convolutions, which a ModuleList does not know."""
    if not isinstance(head, nn.Conv2d):
        raise TypeError(f"a head is a convolution, not {type(head).__name__}")
    return head
