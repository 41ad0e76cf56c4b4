"""Decoders for any encoder: what each makes of which maps, and who cannot work together."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.errors import InvalidOptions
from saticl.models.aspp import ASPP
from saticl.models.bodies import DECODERS
from saticl.models.decoder_names import DECODERS as SUMMARIES
from saticl.models.deeplabv3 import DeepLabV3, dilations
from saticl.models.encoder import Encoder
from saticl.models.segmenter import Segmenter
from saticl.models.stages import Stages
from saticl.options import ModelOptions

FAMILIES = ("test_resnet", "test_convnext", "test_vit", "erfnet")
"""One small model each; strides from 2, from 4, and the same for all maps."""

MORE_FAMILIES = (
    *("test_byobnet", "test_efficientnet", "test_mambaout"),
    *("resnet18", "regnetx_002", "mobilenetv3_small_050", "lcnet_035", "ghostnet_050", "efficientvit_b0"),
    *("edgenext_xx_small", "mobilevit_xxs", "pvt_v2_b0", "convit_tiny", "poolformer_s12", "test_nfnet"),
    *("convnext_atto", "hrnet_w18_small", "swin_tiny_patch4_window7_224", "tresnet_m", "resnet50-iabn"),
)
FLAT = ("test_vit", "convit_tiny")
"""Those whose maps all have the same size."""

BRANCHED = ("hrnet_w18_small",)
"""Those that have layers for a single map, which learn nothing if a decoder does not read it."""

DEEPEST = ("deeplabv3", "deeplabv3-aspp", "erfnet")
"""Decoders that read one map."""
PYRAMIDS = ("fpn", "upernet", "segformer")
"""Decoders that read every map with a stride of at least 4."""

STAGES = Stages("some", (3, 4, 5, 6, 7), (2, 4, 8, 16, 32), 128)


def made(name: str, stages: Stages = STAGES, norm: Any = "std") -> nn.Module:
    torch.manual_seed(0)
    decoder = DECODERS[name](stages, norm, "ident")
    assert isinstance(decoder, nn.Module)
    return decoder


def maps(stages: Stages = STAGES, side: int = 128, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(batch, channels, side // stride, side // stride, generator=generator).requires_grad_()
        for channels, stride in zip(stages.channels, stages.strides, strict=True)
    ]


def read(stages: Sequence[Tensor]) -> list[bool]:
    """Which maps had a part in what was differentiated."""
    return [stage.grad is not None and bool(stage.grad.abs().sum() > 0) for stage in stages]


def assert_works(encoder: str, decoder: str, bands: int) -> None:
    """Odd sizes, forward and backward, every weight with a finite gradient."""
    torch.manual_seed(0)
    segmenter = Segmenter(ModelOptions.model_validate({"encoder": encoder, "decoder": decoder}), bands, (3, 1), 64)

    output = segmenter(torch.randn(2, bands, 50, 61))
    output.logits.square().mean().backward()

    assert output.logits.shape == (2, 4, 50, 61)
    assert output.pixels.shape[1] == segmenter.body.width
    assert output.coarse.shape[-2:] == output.pixels.shape[-2:]
    unread = encoder in BRANCHED and decoder in (*DEEPEST, "deeplabv3plus")
    assert all(p.grad.isfinite().all() for p in segmenter.parameters() if p.grad is not None)
    assert unread or all(p.grad is not None for p in segmenter.parameters())


def fits(encoder: str, decoder: str) -> bool:
    return not (encoder in FLAT and decoder == "deeplabv3plus")


def test_every_decoder_has_a_line_of_its_own() -> None:
    assert list(SUMMARIES) == list(DECODERS)


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [(encoder, decoder) for encoder in FAMILIES for decoder in DECODERS if fits(encoder, decoder)],
)
def test_families_and_decoders_work_together(encoder: str, decoder: str) -> None:
    assert_works(encoder, decoder, bands=3 if len(decoder) % 2 else 5)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [(encoder, decoder) for encoder in MORE_FAMILIES for decoder in DECODERS if fits(encoder, decoder)],
)
def test_more_families_and_decoders_work_together(encoder: str, decoder: str) -> None:
    assert_works(encoder, decoder, bands=5 if len(decoder) % 2 else 3)


@pytest.mark.parametrize("encoder", FLAT)
def test_maps_of_one_size_cannot_be_refined(encoder: str) -> None:
    sentence = rf"deeplabv3plus adds a finer map .* '{encoder}' gives maps of stride 16, 16.*: choose deeplabv3"

    with pytest.raises(InvalidOptions, match=sentence):
        Segmenter(ModelOptions(encoder=encoder, decoder="deeplabv3plus"), 3, (2,), 64)


@pytest.mark.parametrize("decoder", ["fpn", "upernet"])
def test_a_single_map_is_no_pyramid(decoder: str) -> None:
    with pytest.raises(InvalidOptions, match=rf"{decoder} joins maps .* 'x' gives one map, 16 times smaller"):
        made(decoder, Stages("x", (4,), (16,)))


def test_a_pyramid_begins_at_a_stride_of_4_or_with_the_first_map() -> None:
    assert STAGES.first == 1
    assert STAGES.pyramid == (4, 5, 6, 7)
    assert Stages("vit", (2, 2), (16, 16)).first == 0
    assert Stages("fine", (2, 3), (1, 2)).pyramid == (2, 3)


@pytest.mark.parametrize("name", PYRAMIDS)
def test_pyramids_read_their_maps_and_have_the_size_of_the_finest(name: str) -> None:
    stages = maps()

    pixels = made(name)(stages)
    pixels.square().sum().backward()

    assert pixels.shape[-2:] == (32, 32)
    assert read(stages) == [False, True, True, True, True]


@pytest.mark.parametrize("name", DEEPEST)
def test_other_decoders_read_the_deepest_map_only(name: str) -> None:
    stages = maps()

    pixels = made(name)(stages)
    pixels.square().sum().backward()

    assert pixels.shape[-2:] == ((16, 16) if name == "erfnet" else (4, 4))
    assert read(stages) == [False, False, False, False, True]


def test_deeplabv3plus_refines_with_the_first_map_of_the_pyramid() -> None:
    stages = maps()

    pixels = made("deeplabv3plus")(stages)
    pixels.square().sum().backward()

    assert pixels.shape[-2:] == (32, 32)
    assert read(stages) == [False, True, False, False, True]


@pytest.mark.parametrize(
    ("stride", "expected"), [(16, (6, 12, 18)), (8, (12, 24, 36)), (32, (3, 6, 9)), (14, (7, 14, 21))]
)
def test_dilations_reach_equally_far_in_the_image(stride: int, expected: tuple[int, ...]) -> None:
    assert dilations(stride) == expected


@pytest.mark.parametrize(("stride", "expected"), [(16, [1, 6, 12, 18]), (8, [1, 12, 24, 32]), (32, [1, 3, 6, 9])])
def test_the_head_of_mib_has_its_dilations(stride: int, expected: list[int]) -> None:
    decoder = DeepLabV3(Stages("x", (5,), (stride,)), "std", "ident")

    assert [conv.dilation[0] for conv in decoder.map_convs] == expected


def changed_places(decoder: nn.Module, side: int) -> set[tuple[int, int]]:
    """Where the answer changes when the middle of the deepest map does, as offsets from there."""
    stage = torch.randn(1, 5, side, side)
    other = stage.clone()
    other[..., side // 2, side // 2] += 1
    with torch.no_grad():
        moved = (decoder.eval()((stage,)) - decoder((other,))).abs().amax(1)[0] > 1e-6
    return {(row - side // 2, col - side // 2) for row, col in moved.nonzero().tolist()}


def test_aspp_sees_its_dilations_and_the_mean_of_everything() -> None:
    decoder = ASPP(Stages("x", (5,), (16,)), "std", "ident")
    everywhere = changed_places(decoder, 45)
    nn.init.zeros_(decoder.pooled.conv.weight)

    reached = changed_places(decoder, 45)

    assert len(everywhere) == 45 * 45
    assert reached == {(row * rate, col * rate) for rate in (6, 12, 18) for row in (-1, 0, 1) for col in (-1, 0, 1)}


def test_the_head_of_mib_sees_the_whole_map_in_training_and_a_window_afterwards() -> None:
    decoder = DeepLabV3(Stages("x", (5,), (16,), 80), "std", "ident")
    nn.init.zeros_(decoder.red_conv.weight)
    x = torch.randn(2, 5, 45, 45)

    assert changed_places(decoder, 45) == {(row, col) for row in range(-2, 3) for col in range(-2, 3)}
    decoder.train()
    spread = decoder((x,))
    assert_close(spread, spread[..., :1, :1].expand_as(spread))
    assert_close(decoder._pooled(x), x.mean(dim=(2, 3), keepdim=True))


def test_the_head_of_mib_starts_from_xaviers_weights() -> None:
    decoder = DeepLabV3(Stages("x", (512,), (16,)), "std", "ident")

    weight = decoder.map_convs[1].weight
    assert weight.std().item() == pytest.approx((2 / 1.0001) ** 0.5 * (2 / (9 * (512 + 256))) ** 0.5, rel=0.01)


def test_a_level_of_the_pyramid_is_also_in_the_levels_above_it() -> None:
    decoder, stages = made("fpn"), maps()
    for branch in list(decoder.branches)[1:]:
        for conv in branch.modules():
            if isinstance(conv, nn.Conv2d):
                nn.init.zeros_(conv.weight)

    decoder.eval()(stages).square().sum().backward()

    assert read(stages) == [False, True, True, True, True]


def test_every_level_of_the_pyramid_has_a_branch_of_its_own() -> None:
    decoder = made("fpn")
    assert [len(branch.convs) for branch in decoder.branches] == [1, 1, 2, 3]
    for level in range(4):
        stages = maps()
        finer = [stage.detach() for stage in stages[: level + 1]]
        with torch.no_grad():
            full = decoder.eval()(stages)
            alone = decoder([*finer, *(0 * stage for stage in stages[level + 1 :])])
        assert not torch.allclose(full, alone)


def test_upernet_knows_the_means_of_the_deepest_map() -> None:
    """With the pyramid pooling alone, a pixel in one corner is felt in the other; without, it is not."""
    stages = Stages("x", (3, 4), (4, 8))
    decoder = made("upernet", stages).eval()
    plain = maps(stages, 256, 1)

    def felt() -> bool:
        other = [plain[0], plain[1].detach().clone()]
        other[1][..., 0, 0] += 10
        with torch.no_grad():
            return bool((decoder(plain) - decoder(other))[..., -1, -1].abs().amax() > 1e-7)

    assert felt()
    for part in decoder.parts:
        nn.init.zeros_(part.conv.weight)
    assert not felt()


@pytest.mark.parametrize("name", [name for name in DECODERS if name != "erfnet"])
def test_in_place_norms_answer_and_learn_as_their_twin(name: str) -> None:
    pytest.importorskip("inplace_abn", reason="In-Place ABN is not installed: scripts/install_iabn.sh")
    answers = {}
    for norm in ("abn", "iabn"):
        decoder, stages = made(name, norm=norm), maps(side=64)
        pixels = decoder(stages)
        pixels.square().mean().backward()
        answers[norm] = (pixels.detach(), [stage.grad for stage in stages if stage.grad is not None])

    assert_close(answers["iabn"], answers["abn"], rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("name", DECODERS)
def test_one_tile_per_batch_can_be_learned_from(name: str) -> None:
    pixels = made(name)(maps(batch=1))

    pixels.sum().backward()

    assert pixels.isfinite().all()


@pytest.mark.parametrize("name", ["deeplabv3", "upernet", "erfnet"])
def test_a_network_is_one_graph_to_the_compiler_and_channels_may_be_last(name: str) -> None:
    torch.manual_seed(0)
    segmenter = Segmenter(ModelOptions.model_validate({"encoder": "test_resnet", "decoder": name}), 3, (2, 1), 64)
    segmenter.eval().to(memory_format=torch.channels_last)
    image = torch.randn(2, 3, 64, 64)
    expected = segmenter(image).logits

    compiled = torch.compile(segmenter, backend="eager", fullgraph=True)

    assert_close(compiled(image.contiguous(memory_format=torch.channels_last)).logits, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("name", ["deeplabv3", "deeplabv3plus", "upernet"])
def test_output_strides_are_kept(name: str, stride: int) -> None:
    options = ModelOptions.model_validate({"encoder": "test_resnet", "decoder": name, "output_stride": stride})
    segmenter = Segmenter(options, 3, (2,), 64).eval()

    output = segmenter(torch.randn(1, 3, 64, 96))

    assert output.stages[-1].shape[-2:] == (64 // stride, 96 // stride)
    assert output.pixels.shape[-2:] == ((64 // stride, 96 // stride) if name == "deeplabv3" else (16, 24))


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_erfnet_has_its_own_stride_where_a_larger_one_is_allowed(stride: int) -> None:
    options = ModelOptions.model_validate({"encoder": "erfnet", "output_stride": stride})

    assert Encoder(options, 3).stride == 8
