import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from saticl.losses import channel_distance, pooled_distance
from tests.reference import cubes as reference

shapes = st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 5), st.integers(1, 6))
LOSSES = [pooled_distance, channel_distance]


@settings(max_examples=15)
@given(shapes, st.integers(0, 1000))
def test_both_are_the_definition_place_by_place(shape: tuple[int, int, int, int], seed: int) -> None:
    torch.manual_seed(seed)
    old, new = torch.randn(2, *shape, dtype=torch.float64)

    assert_close(pooled_distance(old, new, (2, 4)).item(), reference.pooled_distance(old, new, (2, 4)))
    assert_close(channel_distance(old, new).item(), reference.channel_distance(old, new))


def test_the_published_squares_are_the_default() -> None:
    old, new = torch.randn(2, 1, 2, 9, 7, dtype=torch.float64)

    assert_close(pooled_distance(old, new), pooled_distance(old, new, (4, 8, 12, 16, 20, 24)))


@pytest.mark.parametrize("loss", LOSSES)
def test_like_maps_have_no_distance_and_a_gradient_of_0(loss: object) -> None:
    old = torch.randn(2, 3, 4, 4)
    new = old.clone().requires_grad_()

    distance = loss(old, new)  # type: ignore[operator]
    distance.backward()

    assert distance.item() == 0
    assert torch.equal(new.grad, torch.zeros_like(new))


@pytest.mark.parametrize("loss", LOSSES)
def test_they_are_computed_in_full_precision(loss: object) -> None:
    old, new = (300 * torch.randn(2, 1, 2, 4, 4)).half()

    with torch.autocast("cpu", torch.bfloat16):
        distance = loss(old, new)  # type: ignore[operator]

    assert distance.dtype == torch.float32
    assert_close(distance, loss(old.float(), new.float()))  # type: ignore[operator]
