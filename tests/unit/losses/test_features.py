import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.losses import feature_mse, local_pod_distance, weighted_mse
from saticl.transforms import Dihedral
from tests.reference import losses as reference
from tests.reference import prototypes
from tests.strategies import feature_pairs


@given(feature_pairs())
def test_feature_mse_is_the_mean_square_over_all_elements(pair: tuple[Tensor, Tensor]) -> None:
    old, new = pair

    assert_close(feature_mse(old, new), ((old - new) ** 2).sum() / old.numel())


@given(feature_pairs())
def test_feature_mse_with_everything_valid_is_the_one_without_a_mask(pair: tuple[Tensor, Tensor]) -> None:
    old, new = pair

    assert_close(feature_mse(old, new, torch.ones(old.shape[-2:], dtype=torch.bool)), feature_mse(old, new))


def test_feature_mse_sees_valid_places_only() -> None:
    a, b = torch.zeros(2, 3, 2, 2, requires_grad=True), torch.ones(2, 3, 2, 2)
    b[..., 0, 0] = 100
    valid = torch.tensor([[False, True], [True, True]])

    loss = feature_mse(a, b, valid)
    loss.backward()

    assert_close(loss, torch.tensor(1.0))
    assert torch.equal(a.grad[..., 0, 0], torch.zeros(2, 3))


def test_feature_mse_gives_gradient_to_both_sides() -> None:
    a, b = torch.zeros(1, 1, 2, 2, requires_grad=True), torch.ones(1, 1, 2, 2, requires_grad=True)

    feature_mse(a, b).backward()

    assert_close(a.grad, -b.grad)
    assert (b.grad > 0).all()


@pytest.mark.parametrize("turn", Dihedral.group())
def test_rotation_terms_vanish_for_a_network_that_turns_with_its_input(turn: Dihedral) -> None:
    random = torch.Generator().manual_seed(3)
    network = nn.Conv2d(3, 5, 1).double()
    image = torch.randn(2, 3, 6, 6, generator=random, dtype=torch.float64)

    loss = feature_mse(turn(network(image)), network(turn(image)))

    assert_close(loss, torch.zeros_like(loss), atol=1e-30, rtol=0)


@given(feature_pairs(multiple=4))
def test_local_pod_is_the_region_by_region_definition_on_maps_of_any_shape(pair: tuple[Tensor, Tensor]) -> None:
    old, new = pair

    got = local_pod_distance(old, new)

    assert_close(got.item(), reference.local_pod_distance(old, new, (1, 2, 4)))


@given(feature_pairs())
def test_local_pod_of_identical_maps_has_no_distance_and_no_gradient(pair: tuple[Tensor, Tensor]) -> None:
    old, _ = pair
    new = old.clone().requires_grad_()

    distance = local_pod_distance(old, new)
    distance.backward()

    assert distance.item() == 0
    assert torch.equal(new.grad, torch.zeros_like(new))


@pytest.mark.parametrize("shape", [(8, 8), (4, 12), (12, 4), (7, 10), (3, 2), (1, 1)])
def test_local_pod_covers_every_pixel_of_a_map(shape: tuple[int, int]) -> None:
    old = torch.zeros(1, 2, *shape)
    new = torch.ones(1, 2, *shape, requires_grad=True)

    local_pod_distance(old, new).backward()

    assert (new.grad > 0).all()


def test_local_pod_treats_height_and_width_alike() -> None:
    random = torch.Generator().manual_seed(0)
    old, new = torch.randn(2, 2, 3, 7, 10, generator=random, dtype=torch.float64)

    assert_close(local_pod_distance(old.mT, new.mT), local_pod_distance(old, new))


def test_local_pod_in_half_precision_survives_large_activations() -> None:
    old = torch.full((1, 1, 8, 8), 1000.0, dtype=torch.float16)  # its square exceeds float16

    assert local_pod_distance(old, old / 2).isfinite()


@given(feature_pairs(), st.integers(0, 2**31))
def test_weighted_features_are_averaged_over_the_places_that_count(pair: tuple[Tensor, Tensor], seed: int) -> None:
    a, b = pair
    weight = torch.rand(a[:, 0].shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weight = (weight - 0.3).clamp(min=0)

    assert weighted_mse(a, b, weight).item() == pytest.approx(prototypes.weighted_mse(a, b, weight), abs=1e-12)
    assert_close(weighted_mse(a, b, weight / 2), weighted_mse(a, b, weight) / 2)
    assert weighted_mse(a, b, torch.zeros_like(weight)).item() == 0
