import copy
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import ModelOptions
from saticl.types import Output
from tests import official


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

    stride = segmenter.encoder.reductions[0]
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


def test_dropout2d_drops_whole_channels() -> None:
    pixels = torch.ones(2, 32, 4, 4)

    dropped = build(dropout=0.5, dropout2d=True).dropout(pixels)

    per_channel = dropped.flatten(2)
    assert ((per_channel == 0).all(dim=2) | (per_channel != 0).all(dim=2)).all()


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


def test_new_heads_have_the_precision_of_the_others() -> None:
    segmenter = build().double()

    segmenter.grow(2)

    assert {parameter.dtype for parameter in segmenter.parameters()} == {torch.float64}


@settings(deadline=None, max_examples=20)
@given(steps=st.lists(st.integers(1, 6), min_size=1, max_size=3), num_first=st.integers(1, 5), seed=st.integers(0, 99))
def test_balanced_heads_share_the_background_and_leave_the_rest(steps: list[int], num_first: int, seed: int) -> None:
    segmenter = heads_alone(num_first)
    pixels = torch.randn(2, 7, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    for num_new in steps:
        before = segmenter.classify(pixels).softmax(1)
        segmenter.grow(num_new)
        after = segmenter.classify(pixels).softmax(1)

        num_old = before.shape[1]
        share = before[:, :1] / (num_new + 1)
        assert_close(after[:, 1:num_old], before[:, 1:])
        assert_close(after[:, :1], share)
        assert_close(after[:, num_old:], share.expand(-1, num_new, -1, -1))


def heads_alone(num_first: int) -> Segmenter:
    """A segmenter whose first head reads seven features in float64."""
    segmenter = SHELL
    segmenter.heads = nn.ModuleList([nn.Conv2d(7, num_first, 1, dtype=torch.float64)])
    return segmenter.eval()


SHELL = build(init_balanced=True)


@official.cases("mib_init_")
def test_balanced_head_is_the_official_one(file: Path) -> None:
    golden = official.read(file)
    segmenter = heads_alone(len(golden["old_bias"]))
    segmenter.heads[0].load_state_dict({"weight": golden["old_weight"], "bias": golden["old_bias"]})

    segmenter.grow(int(golden["new_classes"]))

    first, new = segmenter.heads[0].state_dict(), segmenter.heads[1].state_dict()
    assert_close(new["weight"], golden["new_weight"], rtol=1e-12, atol=0)
    assert_close(new["bias"], golden["new_bias"], rtol=1e-12, atol=0)
    assert_close(first["bias"][:1], golden["background_bias"], rtol=1e-12, atol=0)
    assert_close(first["bias"][1:], golden["old_bias"][1:], rtol=0, atol=0)


def test_random_heads_leave_the_background_alone() -> None:
    segmenter = build(init_balanced=False)
    before = copy.deepcopy(segmenter.heads[0].state_dict())

    segmenter.grow(2)

    assert_close(segmenter.heads[0].state_dict(), before)


def test_a_frozen_encoder_keeps_weights_and_statistics(image: Tensor) -> None:
    segmenter = build()
    segmenter.freeze_encoder()
    before = copy.deepcopy(segmenter.encoder.state_dict())

    segmenter.train()
    segmenter(image).logits.sum().backward()

    assert segmenter.decoder.training
    assert_close(segmenter.encoder.state_dict(), before)
    assert all(parameter.grad is None for parameter in segmenter.encoder.parameters())
    assert any(parameter.grad is not None for parameter in segmenter.decoder.parameters())


def test_channels_last_changes_nothing_but_the_layout(image: Tensor) -> None:
    segmenter = build().eval()
    expected = segmenter(image)

    output = segmenter.to(memory_format=torch.channels_last)(image.contiguous(memory_format=torch.channels_last))

    assert output.pixels.is_contiguous(memory_format=torch.channels_last)
    assert_close(output.logits, expected.logits, rtol=1e-4, atol=1e-5)


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
