"""What is kept of the features of a class, and what is drawn from it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from saticl.methods.prototypes import Prototypes, Sums
from tests.strategies import seeds


def maps(seed: int, batches: int = 2) -> list[tuple[Tensor, Tensor]]:
    random = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0, 1, 2, 5, 255])
    return [
        (
            3 * torch.randn(2, 4, 3, 3, generator=random),
            labels[torch.randint(len(labels), (2, 3, 3), generator=random)],
        )
        for _ in range(batches)
    ]


def summed(batches: list[tuple[Tensor, Tensor]], number: int = 4) -> Prototypes:
    sums = Sums(number)
    for pixels, labels in batches:
        sums.add(pixels, labels)
    return sums.prototypes()


@given(seeds, st.integers(1, 3))
def test_prototypes_are_their_definition(seed: int, batches: int) -> None:
    seen = maps(seed, batches)

    found = summed(seen)

    for index in range(4):
        places = [pixels.movedim(1, -1)[labels == index].double() for pixels, labels in seen]
        features = torch.cat(places)
        assert found.count[index] == len(features)
        if not len(features):
            assert all((tensor[index] == 0).all() for tensor in found.state.values())
            continue
        lengths = features.norm(dim=1)
        units = features / lengths[:, None]
        direction = units.mean(0) / units.mean(0).norm()
        noise = (units - direction).square().mean(0).sqrt()
        spread = (lengths - lengths.mean()).square().mean().sqrt()
        expected = (direction, noise, lengths.mean(), spread)
        got = (found.direction[index], found.noise[index], found.norm[index], found.spread[index])
        torch.testing.assert_close([one.double() for one in got], list(expected), rtol=1e-4, atol=1e-3)


def test_how_places_are_divided_into_batches_does_not_matter() -> None:
    batches = maps(0, 3)
    pixels, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))

    torch.testing.assert_close(summed(batches).state, summed([(pixels, labels)]).state)


def test_nothing_has_no_prototypes() -> None:
    with pytest.raises(ValueError, match="at least one batch"):
        Sums(2).prototypes()


def test_rows_are_chosen_and_put_together_again() -> None:
    whole = summed(maps(1))

    again = whole.rows(slice(None, 1)).followed_by(whole.rows(slice(1, None)))

    assert whole.names() == ("direction", "noise", "norm", "spread", "count")
    torch.testing.assert_close(again.state, whole.state)


def test_what_is_drawn_has_the_direction_the_noise_and_the_lengths_it_was_made_from() -> None:
    known = Prototypes(
        direction=torch.tensor([[1.0, 0.0], [0.6, 0.8]]),
        noise=torch.tensor([[0.0, 0.0], [0.3, 0.1]]),
        norm=torch.tensor([5.0, 2.0]),
        spread=torch.tensor([1.0, 0.0]),
        count=torch.tensor([1.0, 1.0]),
    )

    drawn = known.draw(20000, torch.Generator().manual_seed(0))

    assert drawn.shape == (2, 20000, 2)
    torch.testing.assert_close(drawn.mean(1), torch.tensor([[5.0, 0.0], [1.2, 1.6]]), atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.std(1), torch.tensor([[1.0, 0.0], [0.6, 0.2]]), atol=0.03, rtol=0)
    assert (drawn[0, :, 1] == 0).all()
    assert torch.equal(drawn, known.draw(20000, torch.Generator().manual_seed(0)))


def test_no_length_is_below_zero() -> None:
    one, zero = torch.ones(1, 1), torch.zeros(1, 1)
    known = Prototypes(one, zero, zero[0], one[0], one[0])

    drawn = known.draw(100, torch.Generator().manual_seed(0))

    assert (drawn >= 0).all()
    assert (drawn > 0).any()
