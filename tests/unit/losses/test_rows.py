"""Rows of the classifier that are turned away from each other."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saticl.losses import row_overlap
from tests.reference import prototypes as reference
from tests.strategies import normal, seeds


@given(seeds, st.integers(2, 5), st.integers(0, 5))
def test_every_new_row_is_compared_with_every_other(seed: int, count: int, num_new: int) -> None:
    rows, num_new = normal((count, 3), torch.Generator().manual_seed(seed)), min(count, num_new)

    assert row_overlap(rows, num_new).item() == pytest.approx(reference.row_overlap(rows, num_new), abs=1e-12)


def test_only_the_new_row_of_a_pair_is_moved() -> None:
    rows = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]], requires_grad=True)

    row_overlap(rows, 1).backward()

    assert (rows.grad[:2] == 0).all()
    assert rows.grad[2, 0] > 0  # it turns away from the second row, its length stays
    assert rows.grad[2, 1] == 0


def test_orthogonal_rows_do_not_overlap_whatever_their_length() -> None:
    assert row_overlap(torch.diag(torch.tensor([1.0, 50.0, 0.01])), 2) == 0
    assert row_overlap(torch.tensor([[1.0, 0.0], [-3.0, 0.0]]), 1) == 1
