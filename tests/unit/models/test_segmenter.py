import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import ModelOptions
from saticl.types import Output


def build(head_sizes: tuple[int, ...] = (3,), bands: int = 3, size: int | None = 64, **options: object) -> Segmenter:
    torch.manual_seed(0)
    return Segmenter(ModelOptions.model_validate({"encoder": "test_resnet", **options}), bands, head_sizes, size)


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_output_has_its_shapes(image: Tensor) -> None:
    output = build((3, 1, 2))(image)

    assert isinstance(output, Output)
    assert output.logits.shape == (2, 6, 64, 64)
    assert output.pixels.shape[-2:] == output.coarse.shape[-2:] == output.stages[0].shape[-2:]
    assert output.coarse.shape[1] == 6


@pytest.mark.parametrize(("height", "width"), [(64, 64), (50, 70), (33, 64), (7, 5)])
@pytest.mark.parametrize("encoder", ["test_resnet", "test_convnext", "test_vit"])
def test_logits_have_the_size_of_the_image(encoder: str, height: int, width: int) -> None:
    segmenter = build(encoder=encoder).eval()
    output = segmenter(torch.randn(2, 3, height, width))

    stride = segmenter.body.encoder.reductions[0]
    assert output.logits.shape[-2:] == (height, width)
    assert output.pixels.shape[-2:] == (math.ceil(height / stride), math.ceil(width / stride))


def test_a_padded_image_is_answered_like_the_image_continued(image: Tensor) -> None:
    segmenter = build().eval()
    cropped = image[..., :40, :52]
    continued = nn.functional.pad(cropped, (0, 12, 0, 24), mode="replicate")

    assert_close(segmenter(cropped).logits, segmenter(continued).logits[..., :40, :52])


def test_coarse_scores_resized_are_the_logits(image: Tensor) -> None:
    output = build()(image)

    expected = nn.functional.interpolate(output.coarse, size=(64, 64), mode="bilinear", align_corners=False)
    assert_close(output.logits, expected)


def test_features_are_taken_before_dropout(image: Tensor) -> None:
    with_dropout, without = build(dropout=0.9), build(dropout=0.0)
    without.load_state_dict(with_dropout.state_dict())

    assert_close(with_dropout(image).pixels, without(image).pixels)
    assert not torch.equal(with_dropout(image).logits, without(image).logits)


def test_growing_moves_no_index(image: Tensor) -> None:
    segmenter = build((3,)).eval()
    before = segmenter(image).logits

    segmenter.grow(2)

    assert segmenter.num_classes == 5
    assert_close(segmenter(image).logits[:, :3], before)


def test_a_grown_segmenter_is_one_built_with_its_heads() -> None:
    grown = build((3,))
    grown.grow(2)

    build((3, 2)).load_state_dict(grown.state_dict())


def test_keys_of_the_state_dict_say_where_a_weight_belongs() -> None:
    keys = list(build((3, 2)).state_dict())

    places = ("body.encoder.maps.", "body.decoder.blocks.", "classifier.heads.")
    assert [key for key in keys if not key.startswith(places)] == []
    assert keys[-4:] == [f"classifier.heads.{step}.{name}" for step in (0, 1) for name in ("weight", "bias")]


def test_new_heads_have_the_precision_of_the_others() -> None:
    segmenter = build().double()

    segmenter.grow(2)

    assert {parameter.dtype for parameter in segmenter.parameters()} == {torch.float64}


def test_a_frozen_encoder_keeps_weights_and_statistics(image: Tensor) -> None:
    segmenter = build()
    segmenter.freeze_encoder()
    before = copy.deepcopy(segmenter.body.encoder.state_dict())

    segmenter.train()
    segmenter(image).logits.sum().backward()

    assert segmenter.body.decoder.training
    assert_close(segmenter.body.encoder.state_dict(), before)
    assert all(parameter.grad is None for parameter in segmenter.body.encoder.parameters())
    assert any(parameter.grad is not None for parameter in segmenter.body.decoder.parameters())


def test_channels_last_changes_nothing_but_the_layout(image: Tensor) -> None:
    segmenter = build().eval()
    expected = segmenter(image)

    output = segmenter.to(memory_format=torch.channels_last)(image.contiguous(memory_format=torch.channels_last))

    assert output.pixels.is_contiguous(memory_format=torch.channels_last)
    assert_close(output.logits, expected.logits, rtol=1e-4, atol=1e-5)


def test_a_compiled_network_takes_any_size() -> None:
    """From the second size on torch compiles for all sizes: what is padded and cut must be sums it knows."""
    segmenter = build(decoder="segformer").eval()
    image = torch.randn(1, 3, 33, 45)

    with torch.no_grad():
        compiled = torch.compile(segmenter, backend="aot_eager", dynamic=True)(image)
        expected = segmenter(image)

    assert_close(compiled, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("norm", ["std", "abn"])
def test_the_network_is_one_graph_to_the_compiler(norm: str, image: Tensor) -> None:
    segmenter = build((3, 2), norm=norm).eval()

    compiled = torch.compile(segmenter, backend="eager", fullgraph=True)

    assert_close(compiled(image).logits, segmenter(image).logits)


def test_teacher_is_a_copy_that_never_changes(image: Tensor) -> None:
    segmenter = build()
    teacher = Teacher(segmenter)
    before = teacher(image).logits

    segmenter.grow(1)
    with torch.no_grad():
        for parameter in segmenter.parameters():
            parameter.add_(1)
    teacher.train()

    assert not teacher.training
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert teacher.num_classes == 3
    assert_close(teacher(image).logits, before)


def test_a_loss_can_be_taken_against_the_teacher(image: Tensor) -> None:
    segmenter = build()
    teacher = Teacher(segmenter)

    target = teacher(image).pixels
    (segmenter(image).pixels * target).mean().backward()  # a product saves both factors for its backward pass

    assert not target.requires_grad
    assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.mark.parametrize("norm", ["abn", "iabn", "iabn_sync"])
def test_a_tresnet_with_in_place_abn_learns_and_can_be_copied(norm: str) -> None:
    if norm != "abn":
        pytest.importorskip("inplace_abn", reason="In-Place ABN is not installed: scripts/install_iabn.sh")
    segmenter = build((2, 1), norm=norm, encoder="tresnet_m")
    teacher = Teacher(segmenter)

    segmenter(torch.randn(2, 3, 64, 64)).logits.square().mean().backward()

    kinds = {type(module).__name__ for module in segmenter.modules()}
    assert "BatchNorm2d" not in kinds
    assert "BatchNormAct2d" not in kinds
    assert all(p.grad is not None and p.grad.isfinite().all() for p in segmenter.parameters())
    assert teacher(torch.randn(1, 3, 64, 64)).logits.isfinite().all()


def test_a_tresnet_answers_the_same_with_in_place_abn_and_its_twin() -> None:
    pytest.importorskip("inplace_abn", reason="In-Place ABN is not installed: scripts/install_iabn.sh")
    theirs = build(norm="iabn_sync", encoder="tresnet_m")
    ours = build(norm="abn", encoder="tresnet_m")
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(2, 3, 64, 64)

    # Two orders of summation through thirty layers of batch statistics over few pixels.
    assert_close(ours(image).pixels, theirs(image).pixels, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("encoder", ["test_resnet", "erfnet"])
def test_further_heads_score_behind_all_classes_and_are_none_of_them(encoder: str) -> None:
    decoder = "erfnet" if encoder == "erfnet" else "unet"
    segmenter = build((3,), encoder=encoder, decoder=decoder, dropout=0.0).eval()
    image = torch.randn(1, 3, 64, 64)
    before = segmenter(image).logits

    segmenter.classifier.add_further(1)
    segmenter.grow(2)

    after = segmenter(image).logits
    assert after.shape[1] == 6
    assert segmenter.num_classes == 5
    assert_close(after[:, :3], before)
    (further,) = segmenter.classifier.further
    assert type(further) is type(segmenter.heads[0])
    nn.init.zeros_(further.weight)
    nn.init.constant_(further.bias, 7.0)
    assert_close(segmenter(image).logits[:, 5], torch.full((1, 64, 64), 7.0))
