"""Every row of the table keeps the promises of a body, and a new row is all that a new body needs."""

import copy
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.models.bodies import BODIES, EncoderDecoder
from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import ModelOptions

SMALL = ModelOptions(encoder="test_resnet")


class Strided(nn.Module):
    """A body that knows nothing of encoders and decoders: two convolutions, stride 4."""

    def __init__(self, options: ModelOptions, in_channels: int, image_size: int | None = None) -> None:
        super().__init__()
        del options, image_size
        self.width, self.kernel = 5, 1
        self.down = nn.Conv2d(in_channels, 6, 4, 4)
        self.up = nn.Conv2d(6, self.width, 1)

    def pad(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        return nn.functional.pad(image, (0, -width % 4, 0, -height % 4))

    def freeze(self) -> None:
        self.down.requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        stage = self.down(image)
        return (stage,), self.up(stage)


def made(name: str) -> EncoderDecoder:
    torch.manual_seed(0)
    body = BODIES[name](SMALL, 3, 64)
    assert isinstance(body, nn.Module)
    return body  # type: ignore[return-value]  # a body and a module, which types cannot say


def test_the_option_offers_what_the_table_has() -> None:
    assert get_args(ModelOptions.model_fields["decoder"].annotation) == tuple(BODIES)


@pytest.mark.parametrize("name", BODIES)
def test_pixels_have_the_announced_width_and_every_weight_takes_part(name: str) -> None:
    body = made(name)

    stages, pixels = body(torch.randn(2, 3, 64, 64))
    sum(maps.square().sum() for maps in (*stages, pixels)).backward()

    assert pixels.shape[:2] == (2, body.width)
    assert stages
    assert [n for n, parameter in body.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("name", BODIES)
def test_padding_makes_any_image_fit_and_leaves_one_that_fits(name: str) -> None:
    body, image = made(name).eval(), torch.randn(1, 3, 37, 50)

    padded = body.pad(image)

    assert torch.equal(padded[..., :37, :50], image)
    assert body.pad(padded) is padded
    body(padded)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("name", BODIES)
def test_what_is_frozen_keeps_weights_and_statistics_and_the_rest_learns(name: str, again: bool) -> None:
    body = made(name)
    body.freeze()
    if again:
        body.train()
    frozen = {key for key, parameter in body.named_parameters() if not parameter.requires_grad}
    statistics = {k: v.clone() for k, v in body.encoder.named_buffers()}

    body(torch.randn(2, 3, 64, 64))[1].sum().backward()

    assert frozen == {key for key, parameter in body.named_parameters() if parameter.grad is None}
    assert frozen == {f"encoder.{key}" for key, _ in body.encoder.named_parameters()}
    assert_close(dict(body.encoder.named_buffers()), statistics)
    assert body.decoder.training


def test_a_row_in_the_table_is_all_that_a_new_body_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BODIES, "strided", Strided)
    segmenter = Segmenter(SMALL.model_copy(update={"decoder": "strided", "init_balanced": True}), 4, (3,))

    segmenter.grow(2)
    segmenter.freeze_encoder()
    output = segmenter(torch.randn(2, 4, 30, 41))
    output.logits.sum().backward()

    assert output.logits.shape == (2, 5, 30, 41)
    assert output.pixels.shape == (2, 5, 8, 11)
    assert {key.partition(".")[0] for key in segmenter.state_dict()} == {"body", "classifier"}
    frozen = [key for key, parameter in segmenter.named_parameters() if parameter.grad is None]
    assert frozen == ["body.down.weight", "body.down.bias"]
    assert Teacher(segmenter)(torch.randn(1, 4, 16, 16)).logits.shape == (1, 5, 16, 16)


class Scaled(nn.Module):
    """What a method may put around a body: it scales the pixels, and asks the body for all else."""

    def __init__(self, inner: EncoderDecoder) -> None:
        super().__init__()
        self.inner = inner
        self.width, self.kernel, self.pad, self.freeze = inner.width, inner.kernel, inner.pad, inner.freeze
        self.scale = nn.Parameter(torch.full((inner.width, 1, 1), 2.0))

    def forward(self, image: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        stages, pixels = self.inner(image)
        return stages, pixels * self.scale


def test_a_method_may_put_a_body_around_the_body() -> None:
    segmenter = Segmenter(SMALL, 3, (3,), 64).eval()
    image = torch.randn(1, 3, 40, 40)
    before = segmenter(image).pixels

    segmenter.body = Scaled(segmenter.body)
    segmenter.grow(1)

    output = segmenter(image)
    assert_close(output.pixels, 2 * before)
    assert output.logits.shape == (1, 4, 40, 40)
    output.logits.sum().backward()
    assert segmenter.body.scale.grad is not None


def test_a_network_that_a_method_has_changed_is_rebuilt_by_the_same_change() -> None:
    def changed(segmenter: Segmenter) -> Segmenter:
        segmenter.memory = nn.Linear(4, 2)
        segmenter.classifier.temperature = nn.Conv2d(2, 2, 1)
        segmenter.body.encoder.gate = nn.Linear(2, 2)
        return segmenter.eval()

    first = changed(Segmenter(SMALL, 3, (3,), 64))
    first.grow(2)
    first.freeze_encoder()
    image = torch.randn(1, 3, 64, 64)
    again = changed(Segmenter(SMALL, 3, (3, 2), 64))
    again.load_state_dict(first.state_dict())

    assert again.num_classes == first.num_classes == 5
    assert_close(again(image).logits, first(image).logits)
    assert_close(Teacher(first)(image).logits, first(image).logits)
    assert not first.body.encoder.gate.weight.requires_grad
    assert copy.deepcopy(first).state_dict().keys() == again.state_dict().keys()
