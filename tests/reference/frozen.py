"""Methods on a frozen network, in plain numbers: recursive least squares, points of the simplex."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
IGNORE = 255


def recursion(parts: list[tuple[Floats, Floats]], gamma: float) -> Floats:
    """W [M, K] after parts (X [N, M], Y [N, K]) one after another: the published update of R and W."""
    width, classes = parts[0][0].shape[1], parts[-1][1].shape[1]
    r, w = np.eye(width) / gamma, np.zeros((width, 0))
    for x, y in parts:
        w = np.hstack([w, np.zeros((width, y.shape[1] - w.shape[1]))])
        r = np.linalg.inv(np.linalg.inv(r) + x.T @ x)
        w = w + r @ x.T @ (y - x @ w)
    assert w.shape[1] == classes
    return w


def balanced_ridge(x: Floats, labels: list[int], classes: int, gamma: float) -> Floats:
    """Ridge regression in which the samples of a class weigh 1 together, by repeating the definition per sample."""
    width = x.shape[1]
    gram, moments = gamma * np.eye(width), np.zeros((width, classes))
    for row, label in zip(x, labels, strict=True):
        share = 1 / labels.count(label)
        gram += share * np.outer(row, row)
        moments[:, label] += share * row
    return np.linalg.inv(gram) @ moments


def nearest_probabilities(scores: list[float]) -> list[float]:
    """max(s - τ, 0), with τ found by halving."""
    low, high = min(scores) - 1, max(scores)
    for _ in range(200):
        middle = (low + high) / 2
        if sum(max(score - middle, 0) for score in scores) > 1:
            low = middle
        else:
            high = middle
    return [max(score - low, 0) for score in scores]
