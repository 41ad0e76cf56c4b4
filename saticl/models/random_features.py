"""A classifier on random features: it can be solved for, for its scores are linear in the only weights that change."""

import math
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saticl.losses.precision import full_precision
from saticl.models.classifier import Classifier, Doubling
from saticl.types import Feature, Logits

AT_ONCE = 2**26
"""Random features that exist at the same time: a quarter of a gigabyte, or half of one in float64."""


class RandomFeatures(Classifier):
    """Scores W ReLU(P f) of pixels f [D]: P [M, D] is random and stays, the heads are the rows of W [K, M].

    In full precision, because solved weights are large and cancel each other, and as products of matrices, because
    GPUs shorten the numbers of convolutions (TF32); strip by strip, because M is much larger than D. There is no
    dropout. Kernels are 1x1; where those of `plain` make four pixels of one, each score stands for all four.

    Args:
        plain: the classifier in whose place it comes; every head has a head of the same size here, of zeros.
        width: M. Weights that are loaded bring their own.
    """

    projection: Tensor
    """P [M, D, 1, 1]."""

    def __init__(self, plain: Classifier, width: int) -> None:
        nn.Module.__init__(self)
        first = cast(nn.Conv2d, plain.heads[0])
        self.balanced, self.dropout = False, nn.Dropout(0.0)
        self.doubles = isinstance(first, Doubling)
        depth, like = first.in_channels, first.weight
        drawn = torch.randn(width, depth, 1, 1) / math.sqrt(depth)
        self.register_buffer("projection", drawn.to(like.device, like.dtype))
        heads = [nn.Conv2d(width, cast(nn.Conv2d, head).out_channels, 1).to(like.device) for head in plain.heads]
        self.heads, self.further = nn.ModuleList(heads), nn.ModuleList()
        for parameter in self.heads.parameters():
            nn.init.zeros_(parameter)

    def forward(self, pixels: Feature) -> Logits:
        """Pixels [B, D, h, w] to scores [B, K, h, w], or [B, K, 2h, 2w]."""
        scores = self.scores(pixels)
        return F.interpolate(scores, scale_factor=2, mode="nearest") if self.doubles else scores

    def scores(self, pixels: Feature) -> Logits:
        """[B, D, h, w] to [B, K, h, w]."""
        weight, bias = (torch.cat(parts) for parts in zip(*(head.parameters() for head in self.heads), strict=True))
        if is_recorded():  # the number of strips would be, too
            return _scores(pixels, self.projection, weight, bias)
        rows = max(1, self.at_once // (len(pixels) * pixels.shape[-1]))
        strips = pixels.split(rows, dim=2)
        return torch.cat([_scores(strip, self.projection, weight, bias) for strip in strips], dim=2)

    @property
    def at_once(self) -> int:
        """Pixels whose random features may exist at the same time."""
        return max(1, AT_ONCE // len(self.projection))

    def features(self, pixels: Tensor) -> Tensor:
        """Random features [N, M] float64 of pixels [N, D]."""
        return (pixels.double() @ self.projection.flatten(1).double().T).relu_()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        """Take the width of the weights that are loaded."""
        given = state_dict.get(f"{prefix}projection")
        if given is not None and given.ndim == 4 and len(given) != len(self.projection):
            self._widen(len(given))
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def _widen(self, width: int) -> None:
        self.projection = self.projection.new_zeros(width, *self.projection.shape[1:])
        sizes = [(cast(nn.Conv2d, head).out_channels, cast(nn.Conv2d, head).weight) for head in self.heads]
        self.heads = nn.ModuleList(nn.Conv2d(width, size, 1).to(like.device, like.dtype) for size, like in sizes)


def is_recorded() -> bool:
    """Whether operations are written down for later: by an export, or by torch's compiler."""
    return bool(torch.jit.is_tracing()) or torch.compiler.is_compiling()  # type: ignore[attr-defined,no-untyped-call]


@full_precision
def _scores(pixels: Feature, projection: Tensor, weight: Tensor, bias: Tensor) -> Logits:
    features = F.linear(pixels.permute(0, 2, 3, 1), projection.flatten(1)).relu_()
    return F.linear(features, weight.flatten(1), bias).permute(0, 3, 1, 2)  # of movedim, onnx would record a -1
