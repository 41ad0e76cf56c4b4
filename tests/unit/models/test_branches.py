"""Two branches compute what one computed, learn apart, and become one again."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.models.branches import Branches, branches_of, double, line_of, merge, places, restate
from saticl.models.norm import ABN, named_norm
from saticl.models.segmenter import Segmenter
from saticl.options import ModelOptions
from tests.toy import BasicBlock

NORMS = {
    "std": lambda: nn.BatchNorm2d(6),
    "activated": lambda: named_norm("std", 6),
    "abn": lambda: ABN(6),
    "elu": lambda: ABN(6, "elu", 1.0),
}


def shake(module: nn.Module, seed: int) -> None:
    """Weights and statistics that are nothing special; some scales are negative."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if "running_var" in name:
                tensor.copy_(torch.rand(tensor.shape) * 3 + 0.1)
            elif tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape))


def branches(norm: str = "std", bias: bool = False) -> Branches:
    return Branches(nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2, bias=bias), NORMS[norm]())


def segmenter(encoder: str = "test_resnet", norm: str = "std") -> Segmenter:
    torch.manual_seed(0)
    return Segmenter(ModelOptions.model_validate({"encoder": encoder, "norm": norm}), 3, (2,), 32)


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=10)
@given(st.integers(0, 10_000), st.booleans())
def test_one_convolution_and_norm_compute_what_both_computed(norm: str, seed: int, bias: bool) -> None:
    two = branches(norm, bias).eval()
    shake(two, seed)
    image = torch.randn(2, 4, 9, 8)
    with torch.no_grad():
        before = two(image)

        conv, merged = two.merged()
        after = merged(conv(image))

    assert_close(after, before, rtol=1e-3, atol=1e-4)
    assert type(conv) is nn.Conv2d
    assert not any("other" in name for name in conv.state_dict())


def test_the_statistics_of_the_merged_norm_are_those_of_its_input() -> None:
    two, image = branches(), torch.randn(64, 4, 9, 9)
    shake(two, 1)
    two.train()
    two.norm.momentum = two.other_norm.momentum = 1.0
    two(image)

    conv, norm = two.merged()

    assert_close(norm.running_mean, conv(image).mean((0, 2, 3)), rtol=1e-3, atol=1e-4)
    assert (norm.running_var > 0).all()


@pytest.mark.parametrize("kind", ["std", "abn"])
@given(st.integers(0, 10_000))
def test_a_norm_with_other_statistics_computes_the_same(kind: str, seed: int) -> None:
    norm = NORMS["std"]() if kind == "std" else ABN(6, "identity")
    norm.eval()
    shake(norm, seed)
    image = torch.randn(2, 6, 3, 3)
    before = norm(image.clone())

    restate(norm, torch.randn(6), torch.rand(6) + 0.5, *line_of(norm))

    assert_close(norm(image), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
def test_in_evaluation_a_copy_beside_itself_changes_nothing(norm: str) -> None:
    conv, alone = nn.Conv2d(4, 6, 3), NORMS[norm]().eval()
    shake(alone, 3)
    image = torch.randn(2, 4, 6, 6)
    before = alone(conv(image))

    two = Branches(conv, alone).eval()

    assert_close(two(image), before)


def test_in_training_every_channel_is_one_branch_or_the_other_or_their_mean_in_a_third_of_all_cases() -> None:
    two = Branches(nn.Conv2d(1, 3000, 3, padding=1), nn.BatchNorm2d(3000)).train()
    for norm, value in ((two.norm, 1.0), (two.other_norm, -1.0)):
        nn.init.zeros_(norm.weight)
        nn.init.constant_(norm.bias, value)
    torch.manual_seed(0)
    image = torch.randn(2, 1, 4, 4)

    first, second = two(image), two(image)

    for mixed in (first, second):
        assert torch.equal(mixed.amin((0, 2, 3)), mixed.amax((0, 2, 3)))
        values = mixed[0, :, 0, 0]
        for value in (1.0, 0.0, -1.0):
            assert (values == value).float().mean() == pytest.approx(1 / 3, abs=0.04)
    assert not torch.equal(first, second)
    assert torch.equal(two.eval()(image), torch.zeros_like(first))


def test_a_branch_that_starts_again_has_weights_of_the_same_spread_and_no_statistics() -> None:
    two = Branches(nn.Conv2d(16, 64, 3), nn.BatchNorm2d(64))
    shake(two, 2)
    with torch.no_grad():
        two.conv.weight.mul_(5)
    before = copy.deepcopy(two.state_dict())

    two.restart()

    assert two.other_conv.weight.std().item() == pytest.approx(5, rel=0.05)
    assert not torch.equal(two.other_conv.weight, two.conv.weight)
    assert torch.equal(two.other_norm.running_mean, torch.zeros(64))
    assert torch.equal(two.other_norm.running_var, torch.ones(64))
    for name in ("conv.weight", "norm.weight", "norm.running_mean", "norm.running_var"):
        assert torch.equal(two.state_dict()[name], before[name])


@pytest.mark.parametrize(
    ("encoder", "number"), [("test_resnet", 7), ("resnet18", 16), ("efficientnet_b0", 0), ("convnext_atto", 0)]
)
def test_places_are_the_3x3_convolutions_of_residual_blocks(encoder: str, number: int) -> None:
    found = list(places(segmenter(encoder).body.encoder))

    assert len(found) == number
    assert all(getattr(place.owner, place.conv).kernel_size == (3, 3) for place in found)
    assert len({id(getattr(place.owner, place.norm)) for place in found}) == number


def test_what_is_no_3x3_convolution_with_statistics_behind_it_is_no_place() -> None:
    block = BasicBlock(4)
    block.conv2, block.bn2 = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
    block.conv3, block.bn3 = nn.Conv2d(4, 4, 3), nn.GroupNorm(2, 4)
    block.conv4, block.norm4 = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
    block.conv_dw, block.bn_dw = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
    outside = nn.Sequential()
    outside.conv1, outside.bn1, outside.block = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), block

    assert [(place.owner, place.conv, place.norm) for place in places(outside)] == [(block, "conv1", "bn1")]


@pytest.mark.parametrize(
    ("encoder", "norm"), [("test_resnet", "std"), ("resnet50-iabn", "abn"), ("resnet50-iabn", "std")]
)
def test_a_network_is_doubled_learns_and_is_again_as_it_was(encoder: str, norm: str) -> None:
    network = segmenter(encoder, norm)
    names, image = list(network.state_dict()), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before = network.eval()(image).logits

        doubled = double(network.body.encoder)

        assert len(doubled) == len(branches_of(network)) > 0
        assert_close(network(image).logits, before, rtol=1e-4, atol=1e-4)
        network.train()(image)
        for two in doubled:
            two.other_conv.weight.mul_(1.5)
        changed: Tensor = network.eval()(image).logits
        assert not torch.allclose(changed, before, rtol=1e-3, atol=1e-3)

        norms = merge(network)

        assert_close(network(image).logits, changed, rtol=1e-3, atol=1e-3)
    assert list(network.state_dict()) == names
    assert len(norms) == len(doubled)
    assert branches_of(network) == []
