import pytest
import torch
from torch import nn
from torch.testing import assert_close

from saticl.models.unet import UNet, resize


def maps(channels: list[int], sizes: list[tuple[int, int]]) -> list[torch.Tensor]:
    return [torch.randn(2, c, *size) for c, size in zip(channels, sizes, strict=True)]


@pytest.mark.parametrize(
    "sizes",
    [
        [(32, 32), (16, 16), (8, 8), (4, 4)],
        [(31, 45), (16, 23), (8, 12), (4, 6)],  # odd sizes, as of an unpadded ResNet
        [(7, 7), (7, 7), (7, 7), (7, 7)],  # a vision transformer
    ],
)
def test_result_has_the_size_of_the_shallowest_map(sizes: list[tuple[int, int]]) -> None:
    channels = [4, 6, 8, 10]
    decoder = UNet(channels, "std", "ident")

    pixels = decoder(maps(channels, sizes))

    assert pixels.shape == (2, decoder.width, *sizes[0])


@pytest.mark.parametrize("count", [1, 2, 6])
def test_any_number_of_maps_is_joined(count: int) -> None:
    channels = [3] * count
    decoder = UNet(channels, "std", "ident")

    pixels = decoder(maps(channels, [(2 ** (6 - i),) * 2 for i in range(count)]))

    assert pixels.shape == (2, decoder.width, 64, 64)


def test_every_map_matters() -> None:
    channels = [4, 6, 8]
    decoder = UNet(channels, "std", "ident")
    stages = [stage.requires_grad_() for stage in maps(channels, [(8, 8), (4, 4), (2, 2)])]

    decoder(stages).square().sum().backward()

    assert all(stage.grad is not None and stage.grad.abs().sum() > 0 for stage in stages)


def test_decoder_leaves_the_encoders_maps_as_they_are() -> None:
    channels = [4, 4]
    stages = maps(channels, [(8, 8), (8, 8)])
    before = [stage.clone() for stage in stages]

    UNet(channels, "abn", "relu")(stages)

    for stage, copy in zip(stages, before, strict=True):
        assert_close(stage, copy)


def test_chosen_activation_is_used() -> None:
    decoder = UNet([4, 4], "std", "elu")

    assert sum(isinstance(module, nn.ELU) for module in decoder.modules()) == 2


def test_resizing_commutes_with_a_pointwise_convolution() -> None:
    features, head = torch.randn(2, 5, 6, 7), nn.Conv2d(5, 3, 1)

    assert_close(resize(head(features), (12, 21)), head(resize(features, (12, 21))), rtol=1e-4, atol=1e-5)
