"""Free angles: images, labels, features and validity turn alike, the way exact symmetries turn them."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from saticl.transforms import Dihedral, Rotation
from tests.strategies import IGNORE


def smooth(height: int, width: int) -> Tensor:
    """A plane [1, 1, H, W]: bilinear interpolation of it is exact."""
    return (torch.arange(height)[:, None] * 0.5 + torch.arange(width)[None] * 0.25)[None, None] + 1


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("size", [7, 8])
def test_a_free_rotation_by_quarters_is_the_exact_one(quarters: int, mirror: bool, size: int) -> None:
    exact, free = Dihedral(quarters, mirror), Rotation(90.0 * quarters, mirror)
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    labels = x.argmax(1)

    assert torch.equal(free(x), exact(x))
    assert torch.equal(free.mask(labels), exact.mask(labels))
    assert free.valid(size, size).all()


@pytest.mark.parametrize("degrees", [-200.0, 10.0, 45.0, 123.4])
@pytest.mark.parametrize("shape", [(12, 12), (10, 16)])
def test_valid_pixels_of_a_free_rotation_come_from_the_image_alone(degrees: float, shape: tuple[int, int]) -> None:
    turn = Rotation(degrees)
    coverage = turn(torch.ones(1, 1, *shape, dtype=torch.float64))[0, 0]

    valid = turn.valid(*shape)

    # the border of valid pixels may be off by the tolerance on sampling positions
    assert (coverage[valid] > 1 - 3e-3).all()
    assert (coverage[~valid] < 1 - 1e-6).all()
    assert 0 < valid.sum() < valid.numel()


@pytest.mark.parametrize("degrees", [15.0, 200.0])
def test_a_free_rotation_there_and_back_restores_what_stayed_inside(degrees: float) -> None:
    x = smooth(16, 16)
    there, back = Rotation(degrees), Rotation(-degrees)
    seen = there.valid(16, 16)[None, None].double()
    inside = (back(seen)[0, 0] > 1 - 1e-6) & back.valid(16, 16)

    restored = back(there(x))

    assert inside.sum() > 16
    assert_close(restored[0, 0][inside], x[0, 0][inside], atol=1e-4, rtol=0)


def test_a_free_rotation_ignores_labels_from_outside_and_keeps_the_others() -> None:
    labels = torch.tensor([[0, 3], [254, 255]], dtype=torch.uint8).repeat_interleave(8, 0).repeat_interleave(8, 1)

    turned = Rotation(45.0).mask(labels[None])

    assert turned.dtype == torch.uint8
    assert turned[0, 0, 0] == IGNORE
    assert set(turned.unique().tolist()) == {0, 3, 254, 255}


def test_a_free_rotation_turns_image_labels_and_validity_alike() -> None:
    image = torch.zeros(1, 1, 32, 32)
    image[..., 4:12, 8:20] = 1
    turn = Rotation(30.0)

    turned, mask = turn(image)[0, 0], turn.mask(image[0].long())[0]

    valid = turn.valid(32, 32)
    sharp = valid & ((turned < 0.01) | (turned > 0.99))
    assert sharp.sum() > 400
    assert torch.equal(turned[sharp].round().long(), mask[sharp])
    assert (mask[valid] != IGNORE).all()


def test_half_precision_features_are_turned_without_losing_position() -> None:
    x = smooth(64, 64)

    turned = Rotation(33.0)(x.bfloat16())

    valid = Rotation(33.0).valid(64, 64)
    assert turned.dtype == torch.bfloat16
    assert_close(turned.float()[0, 0][valid], Rotation(33.0)(x)[0, 0][valid], atol=0.3, rtol=0)  # bfloat16 at 50


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_turned_by_positions_in_full_precision(dtype: torch.dtype) -> None:
    x = torch.rand(1, 2, 64, 64).to(dtype)

    assert torch.equal(Rotation(33.0)(x), Rotation(33.0)(x.float()).to(dtype))


def sources(degrees: float, mirror: bool, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where each pixel of a turned map comes from: against the turn about the centre, then against the mirror."""
    down = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    right = torch.arange(width, dtype=torch.float64)[None] - (width - 1) / 2
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    column = cos * right - sin * down
    return sin * right + cos * down + (height - 1) / 2, (-column if mirror else column) + (width - 1) / 2


@pytest.mark.parametrize("degrees", [-75.0, 33.0, 90.0, 123.4, 180.0, 270.0])
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("shape", [(16, 16), (15, 15), (12, 17), (9, 14)])
def test_pixels_come_from_where_the_turn_and_the_mirror_put_them(
    degrees: float, mirror: bool, shape: tuple[int, int]
) -> None:
    turn, (row, column) = Rotation(degrees, mirror), sources(degrees, mirror, *shape)
    inside = (row > -1e-6) & (row < shape[0] - 1 + 1e-6) & (column > -1e-6) & (column < shape[1] - 1 + 1e-6)
    numbers = torch.arange(math.prod(shape)).view(1, *shape)

    seen = turn.mask(numbers)[0]

    assert torch.equal(turn.valid(*shape), inside)
    assert_close(turn(smooth(*shape).double())[0, 0][inside], (row * 0.5 + column * 0.25 + 1)[inside])
    off = torch.stack([seen // shape[1] - row, seen % shape[1] - column]).abs()
    assert off[:, inside].max() < 0.5 + 1e-4  # the nearest pixel, or one as near


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_positions_keep_their_precision_under_autocast(dtype: torch.dtype) -> None:
    turn, x = Rotation(33.0), torch.rand(1, 1, 64, 64).to(dtype)
    expected = turn(x)

    with torch.autocast("cpu", torch.bfloat16):
        turned = turn(x)

    assert turned.dtype == dtype
    assert torch.equal(turned, expected)


def test_the_gradient_of_a_free_turn_reaches_what_is_seen_and_nothing_else() -> None:
    x = torch.ones(1, 1, 9, 9, requires_grad=True)

    Rotation(45.0)(x).sum().backward()

    assert x.grad is not None
    assert x.grad[0, 0, 0, 0] == 0
    assert x.grad[0, 0, 4, 4] > 0.9
