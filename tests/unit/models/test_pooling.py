"""Means by matrices are those of torch's pooling, at every size."""

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.models.norm import activated_norm
from saticl.models.pooling import grid_means, normed_means, window_means

sides = st.integers(1, 20)


def drawn(height: int, width: int) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(height * 100 + width))


@given(height=sides, width=sides, size=st.integers(1, 25))
def test_windows_stop_at_the_border(height: int, width: int, size: int) -> None:
    """As MiB computes them: windows that fit, and their outermost values repeated up to the border."""
    x = drawn(height, width)
    rows, cols = min(size, height), min(size, width)
    pooled = F.avg_pool2d(x, (rows, cols), stride=1)
    before = ((cols - 1) // 2, (rows - 1) // 2)
    padding = (before[0], cols - 1 - before[0], before[1], rows - 1 - before[1])

    assert_close(window_means(x, size), F.pad(pooled, padding, mode="replicate"), rtol=1e-4, atol=1e-5)


@given(height=sides, width=sides, cells=st.integers(1, 7))
def test_cells_are_those_of_adaptive_pooling(height: int, width: int, cells: int) -> None:
    x = drawn(height, width)

    assert_close(grid_means(x, cells), F.adaptive_avg_pool2d(x, cells), rtol=1e-4, atol=1e-5)


def test_a_single_value_keeps_the_statistics() -> None:
    """One tile per batch has no deviation over the batch."""
    norm = activated_norm("std", 3, "relu")
    before = {name: value.clone() for name, value in norm.state_dict().items()}

    normed_means(norm, torch.ones(1, 3, 1, 1)).sum().backward()

    assert_close(norm.state_dict(), before)
    assert norm.training
    assert all(module.training for module in norm.modules())
    assert norm.get_submodule("0").weight.grad is not None


def test_several_values_are_normalised_in_training_and_a_single_one_never_in_evaluation() -> None:
    norm = nn.BatchNorm2d(3)

    normed_means(norm, torch.randn(2, 3, 1, 1))
    assert norm.num_batches_tracked == 1

    normed_means(norm.eval(), torch.randn(1, 3, 1, 1))
    assert not norm.training
