"""A classifier on random features."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from saticl.models import random_features
from saticl.models.classifier import Classifier
from saticl.models.random_features import RandomFeatures
from saticl.models.segmenter import Segmenter
from saticl.options import ModelOptions

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: requirements-dev.txt brings it")


def build(width: int = 7, sizes: tuple[int, ...] = (3, 2), kernel: int = 1) -> RandomFeatures:
    torch.manual_seed(0)
    made = RandomFeatures(Classifier(ModelOptions(), 5, sizes, kernel), width)
    for head in made.heads:
        nn.init.normal_(head.weight)
        nn.init.normal_(head.bias)
    return made


def test_scores_are_linear_in_random_features_of_every_pixel() -> None:
    made, pixels = build(), torch.randn(2, 5, 3, 4)

    scores = made(pixels)

    flat = pixels.movedim(1, -1).reshape(-1, 5)
    features = (flat @ made.projection.flatten(1).T).relu()
    weight, bias = (torch.cat(parts) for parts in zip(*(head.parameters() for head in made.heads), strict=True))
    expected = (features @ weight.flatten(1).T + bias).view(2, 3, 4, 5).movedim(-1, 1)
    assert_close(scores, expected, rtol=1e-4, atol=1e-5)
    assert_close(made.features(flat).float(), features, rtol=1e-4, atol=1e-5)
    assert made.features(flat).dtype == torch.float64


def test_heads_start_at_zero_with_the_sizes_of_those_before() -> None:
    made = RandomFeatures(Classifier(ModelOptions(dropout=0.5), 5, (3, 2), 3), 7)

    assert made(torch.randn(1, 5, 4, 4)).abs().sum() == 0
    assert [tuple(head.weight.shape) for head in made.heads] == [(3, 7, 1, 1), (2, 7, 1, 1)]
    assert made.num_classes == 5
    assert dict(made.named_parameters()).keys() == {
        f"heads.{at}.{kind}" for at in (0, 1) for kind in ("weight", "bias")
    }


def test_it_grows_by_heads_of_its_own_width() -> None:
    made = build()

    made.grow(4)

    assert made(torch.randn(1, 5, 2, 2)).shape == (1, 9, 2, 2)


def test_strips_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    made, pixels = build(), torch.randn(2, 5, 7, 4)
    whole = made(pixels)

    for at_once in (1, 2 * 4 * 7 * 3):
        monkeypatch.setattr(random_features, "AT_ONCE", at_once)
        assert_close(made(pixels), whole)


def test_it_computes_in_full_precision_inside_autocast() -> None:
    made, pixels = build(), torch.randn(1, 5, 4, 4)

    with torch.autocast("cpu", torch.bfloat16):
        scores = made(pixels)

    assert scores.dtype == torch.float32
    assert_close(scores, made(pixels), rtol=0, atol=0)


def test_nothing_is_convolved_because_a_gpu_would_shorten_the_numbers() -> None:
    made, pixels = build(), torch.randn(1, 5, 4, 4)

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        made(pixels)

    called = {event.key for event in profile.key_averages()}
    assert any("mm" in name for name in called)
    assert not any("conv" in name for name in called)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_is_exported_for_images_of_any_size(tmp_path: Path) -> None:
    made, pixels, file = build().eval(), torch.randn(2, 5, 6, 3), tmp_path / "made.onnx"
    sizes = {"pixels": {0: "batch", 2: "height", 3: "width"}}

    torch.onnx.export(made, (torch.randn(1, 5, 4, 4),), file, input_names=["pixels"], dynamic_axes=sizes, dynamo=False)
    (scores,) = onnxruntime.InferenceSession(file).run(None, {"pixels": pixels.numpy()})

    assert_close(torch.from_numpy(scores), made(pixels).detach(), rtol=1e-4, atol=1e-5)


def test_weights_that_are_loaded_bring_their_width() -> None:
    trained, empty = build(width=11), build(width=7)
    copied = copy.deepcopy(empty)

    copied.load_state_dict(trained.state_dict())

    pixels = torch.randn(1, 5, 2, 2)
    assert_close(copied(pixels), trained(pixels), rtol=0, atol=0)
    assert len(empty.projection) == 7


def test_other_weights_are_refused_as_by_every_module() -> None:
    other = RandomFeatures(Classifier(ModelOptions(), 6, (3, 2)), 7)

    with pytest.raises(RuntimeError, match="size mismatch"):
        build().load_state_dict(other.state_dict())
    with pytest.raises(RuntimeError, match="Missing key"):
        build().load_state_dict({})


@pytest.mark.parametrize(
    ("encoder", "decoder"), [("erfnet", "erfnet"), ("test_resnet", "unet-smp"), ("test_resnet", "unet")]
)
def test_it_stands_in_any_network(encoder: str, decoder: str) -> None:
    torch.manual_seed(0)
    options = ModelOptions(encoder=encoder, decoder=decoder, dropout=0.0)
    network = Segmenter(options, 3, (3, 1), 64).eval()
    before = network(torch.randn(1, 3, 40, 56))

    network.classifier = RandomFeatures(network.classifier, 16)
    nn.init.normal_(network.heads[0].weight)
    after = network(torch.randn(1, 3, 40, 56))

    assert after.logits.shape == before.logits.shape
    assert after.coarse.shape == before.coarse.shape
    assert after.coarse.std() > 0
