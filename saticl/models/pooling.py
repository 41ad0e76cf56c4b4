"""Means over windows and grids of a map, as products with small matrices.

torch has `avg_pool2d` and `adaptive_avg_pool2d` for these. But a traced network keeps their windows as numbers, which
fit one size only; a matrix is built anew for each. So exported files take images of any size.
"""

import torch
from torch import Tensor, nn

from saticl.models.norm import ActName, NormName, activated_norm
from saticl.types import Feature


def window_means(x: Feature, size: int) -> Feature:
    """The mean over the window of `size` pixels around each pixel: [B, D, h, w] to the same shape.

    Windows are no larger than the map and never reach outside: near a border they stop there, so pixels there have
    the mean of the last window that fits. Windows of even size have one pixel more behind their pixel than before it.
    """
    return _means(x, _windows(x, -2, size), _windows(x, -1, size))


def grid_means(x: Feature, cells: int) -> Feature:
    """The mean of each cell of a grid over the map: [B, D, h, w] to [B, D, cells, cells].

    Cell i reaches from floor(i h / cells) to ceil((i + 1) h / cells): cells share pixels where sides do not divide.
    """
    return _means(x, _cells(x, -2, cells), _cells(x, -1, cells))


def normed_means(norm: nn.Module, means: Feature) -> Feature:
    """A norm with activation on means [B, D, cells, cells]; on a single value per channel it keeps its statistics.

    One value has no deviation: torch refuses to normalise by it in training. It happens with one tile per batch.
    """
    if not norm.training or means.numel() > means.shape[1]:
        normed: Tensor = norm(means)
        return normed
    kept: Tensor = norm.eval()(means)
    norm.train()
    return kept


class NormedMeans(nn.Module):
    """A 1x1 convolution with norm and activation, on means: [B, inputs, cells, cells] to [B, width, cells, cells]."""

    def __init__(self, inputs: int, width: int, norm: NormName, act: ActName) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, width, 1, bias=False)
        self.norm = activated_norm(norm, width, act)

    def forward(self, means: Feature) -> Feature:
        """As `normed_means`."""
        return normed_means(self.norm, self.conv(means))


def _means(x: Feature, rows: Tensor, cols: Tensor) -> Feature:
    """[B, D, h, w], members [n, h] and [m, w] to means [B, D, n, m]."""
    across = x @ cols.T.to(x.dtype) / cols.sum(1).to(x.dtype)
    return rows.to(x.dtype) @ across / rows.sum(1).to(x.dtype)[:, None]


def _windows(x: Feature, axis: int, size: int) -> Tensor:
    """Which pixels [n] belong to the window of each pixel [n]: [n, n], 0 or 1."""
    places = _places(x, axis)
    width = (places.amax() + 1).clamp(max=size)
    begin = torch.minimum((places - (width - 1) // 2).clamp(min=0), places.amax() + 1 - width)
    return _between(places, begin, begin + width)


def _cells(x: Feature, axis: int, cells: int) -> Tensor:
    """Which pixels [n] belong to each cell: [cells, n], 0 or 1."""
    places, index = _places(x, axis), torch.arange(cells, device=x.device)
    side = places.amax() + 1
    return _between(places, index * side // cells, ((index + 1) * side + cells - 1) // cells)


def _places(x: Feature, axis: int) -> Tensor:
    return torch.arange(x.shape[axis], device=x.device)


def _between(places: Tensor, begin: Tensor, end: Tensor) -> Tensor:
    return (places >= begin[:, None]) & (places < end[:, None])
