import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from saticl.transforms import Dihedral, Rotation, Turn
from tests.strategies import feature_pairs

symmetries = st.sampled_from(Dihedral.group())
maps = feature_pairs().map(lambda pair: pair[0])


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


def test_both_kinds_of_turn_can_stand_for_each_other() -> None:
    turns: list[Turn] = [Dihedral(1), Rotation(90.0)]
    device = torch.device("cpu")

    masks = [turn.valid(4, 4, device=device) for turn in turns]

    assert masks[0] is None
    assert masks[1] is not None
    assert masks[1].all()
