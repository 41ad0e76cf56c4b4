"""Whether pixels look like those that a network was trained on.

The network of a run keeps the statistics of its first step: its weights, and the previous model that teaches, know no
other scale. Where a later folder's statistics are far from them, the user should know.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LARGEST_SHIFT = 0.5
"""Deviations by which the mean of a band may differ."""
LARGEST_RATIO = 1.5
"""Factor, up or down, by which the deviation of a band may differ."""
FAR_RESOLUTION = 1.25
"""Factor by which the ground per pixel may differ without a word."""


@dataclass(frozen=True)
class Drift:
    """One band whose statistics are far from those that the network knows."""

    band: str
    mean: tuple[float, float]
    """Of the network, and of the folder; raw units."""
    std: tuple[float, float]

    def __str__(self) -> str:
        (mean, other_mean), (std, other_std) = self.mean, self.std
        return f"{self.band}: {other_mean:.4g} ± {other_std:.4g} instead of {mean:.4g} ± {std:.4g}"


def far_bands(
    bands: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    other_mean: Sequence[float],
    other_std: Sequence[float],
) -> list[Drift]:
    """The bands of a folder (`other_`) whose mean or deviation is far from the network's.

    Far is a mean that differs by more than half of the network's deviation, or a deviation that is more than 1.5 times
    as large or as small. A band that is constant on one side only is far too.
    """
    pairs = zip(bands, zip(mean, other_mean, strict=False), zip(std, other_std, strict=False), strict=True)
    return [Drift(band, means, stds) for band, means, stds in pairs if _is_far(*means, *stds)]


def is_far_in_size(ours: float | None, theirs: float | None) -> bool:
    """Whether a pixel covers much more or less ground than another; both in metres, None: not known, and not far."""
    return bool(ours and theirs and not 1 / FAR_RESOLUTION <= ours / theirs <= FAR_RESOLUTION)


def _is_far(mean: float, other_mean: float, std: float, other_std: float) -> bool:
    if std == 0 or other_std == 0:
        return std != other_std or mean != other_mean
    ratio = other_std / std
    return abs(other_mean - mean) > LARGEST_SHIFT * std or not 1 / LARGEST_RATIO <= ratio <= LARGEST_RATIO
