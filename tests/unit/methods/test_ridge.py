"""Ridge regression from sums: in parts it gives what it gives at once."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from saticl.methods.ridge import Sums
from tests.reference import frozen as reference
from tests.strategies import seeds

WIDTH = 5
CPU = torch.device("cpu")


def draw(seed: int, number: int, first: int, last: int) -> tuple[Tensor, Tensor]:
    """Features and labels from `first` to `last`."""
    random = torch.Generator().manual_seed(seed)
    features = torch.randn(number, WIDTH, generator=random, dtype=torch.float64).relu()
    return features, torch.randint(first, last + 1, (number,), generator=random)


def sums_of(features: Tensor, labels: Tensor, classes: int, balanced: bool = False) -> Sums:
    sums = Sums.of_nothing(WIDTH, classes, balanced, CPU)
    sums.add(features, labels)
    return sums


def one_hot(labels: Tensor, classes: int) -> np.ndarray:
    return np.eye(classes)[labels.numpy()]


@given(seeds, st.floats(0.01, 10), st.lists(st.integers(0, 12), min_size=1, max_size=4), st.booleans())
def test_steps_one_after_another_give_what_all_samples_at_once_give(
    seed: int, gamma: float, numbers: list[int], balanced: bool
) -> None:
    parts = [draw(seed % 1000 + step, number, 0, 1 + step) for step, number in enumerate(numbers)]
    classes = 1 + len(parts)

    total = sums_of(*parts[0], 2, balanced)
    for step, part in enumerate(parts[1:], start=1):
        total = sums_of(*part, 2 + step, balanced).plus(total)

    joined = torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
    assert_close(total.solve(gamma), sums_of(*joined, classes, balanced).solve(gamma), rtol=1e-9, atol=1e-11)


@given(seeds, st.sampled_from([0.5, 1.0, 10.0]))
def test_it_is_the_published_recursion(seed: int, gamma: float) -> None:
    parts = [draw(seed, 9, 0, 1), draw(seed + 1, 7, 0, 2), draw(seed + 2, 8, 2, 3)]
    classes = (2, 3, 4)

    total = sums_of(*parts[0], 2)
    for part, number in zip(parts[1:], classes[1:], strict=True):
        total = sums_of(*part, number).plus(total)

    given_parts = [(x.numpy(), one_hot(y, number)) for (x, y), number in zip(parts, classes, strict=True)]
    expected = reference.recursion(given_parts, gamma)
    assert_close(total.solve(gamma), torch.from_numpy(expected), rtol=1e-8, atol=1e-10)


@given(seeds)
def test_balanced_every_class_weighs_the_same(seed: int) -> None:
    features, labels = draw(seed, 20, 0, 3)

    solved = sums_of(features, labels, 5, balanced=True).solve(0.3)

    expected = reference.balanced_ridge(features.numpy(), labels.tolist(), 5, 0.3)
    assert_close(solved, torch.from_numpy(expected), rtol=1e-9, atol=1e-11)


def test_sums_of_earlier_samples_stay_as_they_are() -> None:
    earlier, fresh = sums_of(*draw(0, 5, 0, 1), 2), sums_of(*draw(1, 5, 0, 2), 3)
    before = [tensor.clone() for tensor in (*vars(earlier).values(), *vars(fresh).values())]

    fresh.plus(earlier)

    for tensor, was in zip((*vars(earlier).values(), *vars(fresh).values()), before, strict=True):
        assert torch.equal(tensor, was)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e200])
def test_features_that_are_not_finite_give_nan_and_no_exception(value: float) -> None:
    features, labels = draw(0, 5, 0, 1)
    features[2, 3] = value

    assert sums_of(features, labels, 2).solve(1.0).isnan().all()


def test_nothing_at_all_gives_zeros() -> None:
    assert Sums.of_nothing(WIDTH, 3, True, CPU).solve(1.0).abs().sum() == 0
