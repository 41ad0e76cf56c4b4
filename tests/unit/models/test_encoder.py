import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saticl.errors import InvalidOptions, UnknownName
from saticl.models.encoder import Encoder
from saticl.models.encoder_names import encoder_names
from saticl.options import ModelOptions

FAMILIES = [
    "resnet18",
    "tresnet_m",
    "convnext_atto",
    "swin_tiny_patch4_window7_224",
    "efficientnet_b0",
    "mobilenetv3_small_050",
    "regnetx_002",
    "vgg11",
    "deit_tiny_patch16_224",
    "convit_tiny",
    "mambaout_femto",
    "hiera_tiny_224",
    "efficientvit_b0",
    "test_resnet",
    "test_vit",
]


def build(name: str, bands: int = 3, size: int | None = 64, **options: object) -> Encoder:
    return Encoder(ModelOptions.model_validate({"encoder": name, **options}), bands, size)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gives_the_maps_it_announces(name: str) -> None:
    encoder = build(name, bands=4)

    stages = encoder(torch.randn(2, 4, 64, 64))

    assert [stage.shape[1] for stage in stages] == list(encoder.channels)
    assert [64 // stage.shape[-1] for stage in stages] == list(encoder.reductions)
    assert list(encoder.reductions) == sorted(encoder.reductions)


@pytest.mark.parametrize("name", ["resnet18", "tresnet_m", "convnext_atto", "deit_tiny_patch16_224", "test_resnet"])
def test_every_weight_takes_part(name: str) -> None:
    """Weights without a gradient stop training on several processes."""
    encoder = build(name)

    sum(stage.square().sum() for stage in encoder(torch.randn(2, 3, 64, 64))).backward()

    assert [n for n, parameter in encoder.named_parameters() if parameter.grad is None] == []


@settings(deadline=None, max_examples=15)
@given(bands=st.integers(1, 13), height=st.integers(1, 70), width=st.integers(1, 70))
def test_any_number_of_bands_and_any_size(bands: int, height: int, width: int) -> None:
    encoder = build("test_resnet", bands).eval()

    stages = encoder(torch.randn(1, bands, height, width))

    rows, cols = -(-height // encoder.stride), -(-width // encoder.stride)
    assert stages[-1].shape[-2:] == (rows, cols)


def test_padding_continues_the_border() -> None:
    encoder = build("test_resnet")
    image = torch.arange(40.0).expand(1, 3, 40, 40)

    padded = encoder.pad(image)

    assert padded.shape == (1, 3, 64, 64)
    assert (padded[..., :40, :40] == image).all()
    assert (padded[..., 40:] == 39).all()


def test_fitting_images_are_not_copied() -> None:
    image = torch.zeros(1, 3, 64, 96)

    assert build("test_resnet").pad(image) is image


def test_transformers_with_interpolated_positions_take_any_size() -> None:
    encoder = build("test_vit", size=64).eval()

    assert encoder.fixed_size is None
    assert encoder(torch.randn(1, 3, 80, 112))[0].shape[-2:] == (5, 7)


def test_transformers_bound_to_a_size_pad_smaller_images_and_refuse_larger_ones() -> None:
    encoder = build("convit_tiny", size=60).eval()

    assert encoder.fixed_size == 64
    assert encoder(torch.randn(1, 3, 40, 64))[0].shape[-2:] == (4, 4)
    with pytest.raises(InvalidOptions, match="64 x 64 pixels and got 65 x 64"):
        encoder(torch.randn(1, 3, 65, 64))


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "convnext_atto"])
def test_output_stride_is_kept_where_convolutions_can_dilate(name: str, stride: int) -> None:
    encoder = build(name, output_stride=stride)

    assert encoder.stride == stride
    assert encoder(torch.randn(2, 3, 64, 64))[-1].shape[-1] == 64 // stride


@pytest.mark.parametrize("name", ["tresnet_m", "hrnet_w18_small", "swin_tiny_patch4_window7_224"])
def test_impossible_output_stride_is_refused(name: str) -> None:
    with pytest.raises(InvalidOptions, match=f"{name}.*output stride of 16"):
        build(name, output_stride=16)


def test_output_stride_that_an_encoder_has_anyway_is_no_demand() -> None:
    assert build("test_vit", output_stride=16).stride == 16


def test_unknown_encoder_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'resnet34'\?"):
        build("resnet_34")


def test_unknown_tag_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"resnet34\.a1_in1k"):
        build("resnet34.a9_in1k")


def test_tag_of_pretrained_weights_is_accepted() -> None:
    assert build("resnet18.a1_in1k").channels == (64, 64, 128, 256, 512)


def test_model_without_usable_maps_is_refused() -> None:
    with pytest.raises(InvalidOptions, match="gives no feature maps for 3 bands at 64 x 64 pixels"):
        build("efficientformer_l1")


@pytest.mark.filterwarnings("ignore:CSATv2 is designed for 3-channel")
def test_model_for_three_bands_only_says_so() -> None:
    with pytest.raises(InvalidOptions, match="4 bands"):
        build("csatv2", bands=4)


def test_listing_encoders_is_quick_and_leaves_out_what_cannot_be_one() -> None:
    encoder_names()  # timm reads its tables
    start = time.perf_counter()

    names = [name for name, _ in encoder_names()]

    assert time.perf_counter() - start < 1
    assert {"resnet34", "tresnet_m"} <= set(names)
    assert not {"efficientformer_l1", "crossvit_18_240"} & set(names)
