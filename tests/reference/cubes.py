"""Pooled cubes written down place by place, with zeros beyond the border."""

from collections.abc import Sequence

from torch import Tensor


def _norm(values: Sequence[float]) -> float:
    return float(sum(value * value for value in values) ** 0.5)


def pooled_distance(old: Tensor, new: Tensor, sides: Sequence[int]) -> float:
    """Mean over sides and images of the norm of the difference of means over every square."""
    images, channels, height, width = old.shape
    norms = []
    for side in sides:
        for image in range(images):
            means = []
            for channel in range(channels):
                for top in range(-side // 2, height - side // 2 + 1):
                    for left in range(-side // 2, width - side // 2 + 1):
                        total = 0.0
                        for row in range(max(top, 0), min(top + side, height)):
                            for column in range(max(left, 0), min(left + side, width)):
                                a, b = (float(x[image, channel, row, column]) for x in (old, new))
                                total += b * b - a * a
                        means.append(total / side**2)
            norms.append(_norm(means))
    return sum(norms) / len(norms)


def channel_distance(old: Tensor, new: Tensor) -> float:
    """Mean over images of the norm of the difference of means over three neighbouring channels."""
    images, channels, height, width = old.shape
    norms = []
    for image in range(images):
        means = []
        for channel in range(channels):
            for row in range(height):
                for column in range(width):
                    total = 0.0
                    for near in (channel - 1, channel, channel + 1):
                        if 0 <= near < channels:
                            a, b = (float(x[image, near, row, column]) for x in (old, new))
                            total += b * b - a * a
                    means.append(total / 3)
        norms.append(_norm(means))
    return sum(norms) / len(norms)
