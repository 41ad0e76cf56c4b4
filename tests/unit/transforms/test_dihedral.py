import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.transforms import Dihedral, Rotation, Turn
from tests.strategies import IGNORE, feature_pairs

symmetries = st.sampled_from(Dihedral.group())
maps = feature_pairs().map(lambda pair: pair[0])


def smooth(height: int, width: int) -> Tensor:
    """A plane [1, 1, H, W]: bilinear interpolation of it is exact."""
    return (torch.arange(height)[:, None] * 0.5 + torch.arange(width)[None] * 0.25)[None, None] + 1


def test_there_are_eight_different_symmetries_beginning_with_the_identity() -> None:
    square = torch.arange(9).view(3, 3)

    results = {tuple(turn(square).flatten().tolist()) for turn in Dihedral.group()}

    assert len(results) == 8
    assert len(set(Dihedral.group())) == 8
    assert torch.equal(Dihedral.group()[0](square), square)


@given(st.integers(-9, 9), st.booleans(), maps)
def test_a_symmetry_mirrors_columns_and_then_turns_counter_clockwise(quarters: int, mirror: bool, x: Tensor) -> None:
    turned = Dihedral(quarters, mirror)(x)

    mirrored = x.flip(-1) if mirror else x
    assert torch.equal(turned, mirrored.rot90(quarters, (-2, -1)))


@given(symmetries, symmetries, maps)
def test_the_product_of_two_symmetries_is_a_symmetry(a: Dihedral, b: Dihedral, x: Tensor) -> None:
    assert (a @ b) in Dihedral.group()
    assert torch.equal((a @ b)(x), a(b(x)))


@given(symmetries, symmetries, symmetries)
def test_products_are_associative(a: Dihedral, b: Dihedral, c: Dihedral) -> None:
    assert (a @ b) @ c == a @ (b @ c)


@given(symmetries, maps)
def test_the_inverse_brings_everything_back(turn: Dihedral, x: Tensor) -> None:
    identity = Dihedral()

    assert turn @ turn.inverse() == identity
    assert turn.inverse() @ turn == identity
    assert torch.equal(turn.inverse()(turn(x)), x)


@given(st.integers(-9, 9), st.booleans())
def test_whole_turns_more_or_less_are_the_same_symmetry(quarters: int, mirror: bool) -> None:
    assert Dihedral(quarters, mirror) == Dihedral(quarters + 4, mirror)
    assert hash(Dihedral(quarters, mirror)) == hash(Dihedral(quarters + 4, mirror))


@given(symmetries, maps)
def test_turning_commutes_with_the_choice_of_the_best_class(turn: Dihedral, x: Tensor) -> None:
    assert torch.equal(turn(x).argmax(1), turn.mask(x.argmax(1)))


@given(symmetries, maps, st.integers(1, 3))
def test_turning_commutes_with_nearest_upsampling(turn: Dihedral, x: Tensor, factor: int) -> None:
    enlarge = nn.Upsample(scale_factor=factor, mode="nearest")

    assert torch.equal(turn(enlarge(x)), enlarge(turn(x)))


@pytest.mark.parametrize("turn", Dihedral.group())
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_the_memory_format_stays(turn: Dihedral, memory_format: torch.memory_format) -> None:
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=memory_format)

    assert turn(x).is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("turn", Dihedral.group())
def test_the_gradient_turns_back(turn: Dihedral) -> None:
    x = torch.randn(1, 2, 4, 4, requires_grad=True)
    upstream = torch.randn(1, 2, 4, 4)

    turn(x).backward(upstream)

    assert torch.equal(x.grad, turn.inverse()(upstream))


@pytest.mark.parametrize(("flip", "candidates"), [(True, 7), (False, 3)])
def test_random_symmetries_are_evenly_drawn_and_never_the_identity(flip: bool, candidates: int) -> None:
    generator = torch.Generator().manual_seed(0)

    draws = [Dihedral.random(generator, flip) for _ in range(700)]

    counts = [draws.count(turn) for turn in Dihedral.group()]
    expected = 700 / candidates
    assert counts[0] == 0
    assert sum(count > 0 for count in counts) == candidates
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts if count)  # five standard deviations


def test_the_same_seed_draws_the_same_symmetries() -> None:
    first, second = (
        [Dihedral.random(generator) for _ in range(20)]
        for generator in (torch.Generator().manual_seed(5), torch.Generator().manual_seed(5))
    )

    assert first == second


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("size", [7, 8])
def test_a_free_rotation_by_quarters_is_the_exact_one(quarters: int, mirror: bool, size: int) -> None:
    exact, free = Dihedral(quarters, mirror), Rotation(90.0 * quarters, mirror)
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    labels = x.argmax(1)

    assert_close(free(x), exact(x), atol=1e-4, rtol=0)  # sampling positions are rounded
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


def test_both_kinds_of_turn_can_stand_for_each_other() -> None:
    turns: list[Turn] = [Dihedral(1), Rotation(90.0)]
    device = torch.device("cpu")

    masks = [turn.valid(4, 4, device=device) for turn in turns]

    assert masks[0] is None
    assert masks[1] is not None
    assert masks[1].all()
