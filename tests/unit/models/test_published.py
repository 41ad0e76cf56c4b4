"""Networks of published code: the same scores from the same weights, the same names, a sentence for other files."""

import json
import re
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.errors import InvalidCheckpoint, InvalidOptions, UnknownName
from saticl.models import own_encoders
from saticl.models.encoder import Encoder
from saticl.models.erfnet import NonBottleneck1D
from saticl.models.foreign import ARCHITECTURES
from saticl.models.foreign.adopt import adopt
from saticl.models.foreign.head import Channels
from saticl.models.resnet_abn import ResNetABN
from saticl.models.segmenter import Segmenter
from saticl.options import ModelOptions
from tests.foreign import invented, invented_image, with_mixed_signs

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
NAMES = ("sky", "road", "water", "tree")
LAYERS = (1, 2, 1, 1)
"""Blocks per module of the small ResNet of the reference values."""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """ResNets with five blocks."""
    for name in ("resnet50-iabn", "resnet101-iabn"):
        monkeypatch.setitem(own_encoders.OWN_ENCODERS, name, partial(ResNetABN, LAYERS))


def golden(name: str) -> tuple[dict[str, Tensor], Tensor]:
    """State dict under their names, and some of their scores."""
    state, scores = drawn(name)
    return {key: value.clone() for key, value in state.items()}, scores


@cache
def drawn(name: str) -> tuple[dict[str, Tensor], Tensor]:
    """The same, drawn once; not to be changed."""
    with np.load(GOLDEN / f"{name}.npz") as archive:
        shapes, scores = json.loads(str(archive["shapes"])), torch.from_numpy(archive["scores"])
    return with_mixed_signs(invented((key, tuple(shape)) for key, shape in shapes)), scores


def adopted(path: Path, content: Any, architecture: str = "mib", **given: Any) -> Segmenter:
    torch.save(content, path)
    words = {"mib": "resnet50", "erfnet": "erfnet"}
    return adopt(path, ARCHITECTURES[architecture], words[architecture], Channels(NAMES, "sky"), 3, 48, **given)


def as_saved(state: dict[str, Tensor]) -> dict[str, Any]:
    """What the training of MiB writes per step."""
    return {
        "epoch": 3,
        "model_state": {f"module.{name}": value for name, value in state.items()},
        "optimizer_state": {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 0.01}]},
        "best_score": np.float64(0.5),
        "trainer_state": None,
    }


@torch.no_grad()
def scores(segmenter: Segmenter, image: Tensor, step: int) -> Tensor:
    return segmenter.eval()(image).logits[..., ::step, ::step]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("stride", [16, 8])
def test_scores_are_those_of_mib(stride: int, tmp_path: Path) -> None:
    state, expected = golden(f"mib_os{stride}")

    segmenter = adopted(tmp_path / "step.pth", as_saved(state), output_stride=stride)

    found = scores(segmenter, invented_image(160, 224), 16)
    assert expected.std(dim=(2, 3)).amin() > 0.01
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_scores_are_those_of_erfnet(tmp_path: Path) -> None:
    state, expected = golden("erfnet")

    segmenter = adopted(tmp_path / "model.pth", {f"module.{n}": v for n, v in state.items()}, "erfnet")

    found = scores(segmenter, invented_image(64, 48), 3)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.usefixtures("small")
def test_classifiers_of_steps_become_one_whose_background_is_first(tmp_path: Path) -> None:
    state, _ = golden("mib_os16")
    torch.save(state, tmp_path / "step.pth")

    segmenter = adopt(tmp_path / "step.pth", ARCHITECTURES["mib"], "resnet101", Channels(NAMES, "tree"), 3, 48)

    weights = torch.cat([state["cls.0.weight"], state["cls.1.weight"]])
    biases = torch.cat([state["cls.0.bias"], state["cls.1.bias"]])
    assert_close(segmenter.heads[0].weight.data, weights[[3, 0, 1, 2]])
    assert_close(segmenter.heads[0].bias.data, biases[[3, 0, 1, 2]])
    assert segmenter.options.output_stride == 16
    assert segmenter.options.norm == "abn"


def broken(change: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict that is not quite that of MiB's network."""
    match change:
        case "gap":
            state["cls.3.weight"], state["cls.3.bias"] = state.pop("cls.1.weight"), state.pop("cls.1.bias")
        case "missing":
            del state["body.mod4.block1.convs.bn3.running_var"]
        case "branch":
            state["head.side_convs.0.weight"] = torch.ones(2, 2, 1, 1)
        case "block":
            state["body.mod2.block2.convs.conv1.weight"] = torch.ones(64, 256, 1, 1)
        case "classifier":
            state["cls.1.weight"] = torch.ones(1, 128, 1, 1)
    return state


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("gap", r"has 3 outputs, and --classes names 4"),
        ("missing", r"1 tensors are missing \(body\.encoder\.maps\.mod4\.block1\.convs\.bn3\.running_var\)"),
        ("branch", r"no tensors are missing and 1 tensors are unexpected \(head\.side_convs\.0\.weight\)"),
        ("block", r"1 tensors are unexpected \(body\.mod2\.block2\.convs\.conv1\.weight\)"),
        ("classifier", r"no bias or no convolution as its last layer cls\.0"),
    ],
)
def test_another_network_is_refused_by_what_does_not_fit(change: str, sentence: str, tmp_path: Path) -> None:
    state = broken(change, golden("mib_os16")[0])

    with pytest.raises((InvalidCheckpoint, InvalidOptions), match=sentence):
        adopted(tmp_path / "step.pth", state)


@pytest.mark.parametrize(
    ("architecture", "encoder", "stride", "sentence"),
    [
        ("mib", "resnet18", None, "--backbone, resnet101 or resnet50"),
        ("mib", "resnet101", 32, "is 8 or 16"),
        ("erfnet", "resnet101", None, "give --encoder erfnet"),
        ("erfnet", "erfnet", 16, "without --output-stride"),
        ("smp-unet", "resnet18", 16, "leave --output-stride out"),
    ],
)
def test_encoders_and_strides_that_a_network_does_not_have_are_refused(
    architecture: str, encoder: str, stride: Any, sentence: str
) -> None:
    with pytest.raises(InvalidOptions, match=sentence):
        ARCHITECTURES[architecture].options(encoder, stride)


def options(encoder: str, **given: object) -> ModelOptions:
    return ModelOptions.model_validate({"encoder": encoder, **given})


def schema() -> set[str]:
    """Names of the published ImageNet weights of ResNet-101 with In-Place ABN, without the classifier."""
    names = {"mod1.conv1.weight", *abn("mod1.bn1")}
    for module, count in zip((2, 3, 4, 5), (3, 4, 23, 3), strict=True):
        for block in range(1, count + 1):
            place = f"mod{module}.block{block}"
            for layer in (1, 2, 3):
                names |= {f"{place}.convs.conv{layer}.weight", *abn(f"{place}.convs.bn{layer}")}
        names |= {f"mod{module}.block1.proj_conv.weight", *abn(f"mod{module}.block1.proj_bn")}
    return names


def abn(name: str) -> set[str]:
    return {f"{name}.{tensor}" for tensor in ("weight", "bias", "running_mean", "running_var")}


@pytest.mark.parametrize("norm", ["std", "abn"])
def test_a_resnet_101_has_the_published_names(norm: str) -> None:
    with torch.device("meta"):
        state = Encoder(options("resnet101-iabn", norm=norm), 3).maps.state_dict()

    assert {name for name in state if not name.endswith("num_batches_tracked")} == schema()
    assert state["mod5.block3.convs.conv3.weight"].shape == (2048, 512, 1, 1)


@pytest.mark.parametrize(
    ("stride", "reductions", "dilations"),
    [
        (32, (2, 4, 8, 16, 32), [1, 1, 1, 1]),
        (16, (2, 4, 8, 16, 16), [1, 1, 1, 2]),
        (8, (2, 4, 8, 8, 8), [1, 1, 2, 4]),
    ],
)
@pytest.mark.usefixtures("small")
def test_strides_become_dilations_in_all_blocks_of_a_module(
    stride: int, reductions: tuple[int, ...], dilations: list[int]
) -> None:
    encoder = Encoder(options("resnet50-iabn", output_stride=stride), 3).eval()

    maps = encoder(torch.randn(1, 3, 64, 96))

    assert encoder.reductions == reductions
    assert [tuple(stage.shape[1:]) for stage in maps] == [
        (channels, 64 // reduction, 96 // reduction)
        for channels, reduction in zip((64, 256, 512, 1024, 2048), reductions, strict=True)
    ]
    for module, dilation in zip((2, 3, 4, 5), dilations, strict=True):
        middle = [layer for layer in encoder.maps.get_submodule(f"mod{module}").modules() if is_middle(layer)]
        assert {layer.dilation for layer in middle} == {(dilation, dilation)}


def is_middle(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)


def imagenet(bands: int = 3) -> dict[str, Tensor]:
    """The body of the reference values as a file of ImageNet weights has it."""
    state, _ = golden("mib_os16")
    body = {name.replace("body.", "module."): value for name, value in state.items() if name.startswith("body.")}
    body["module.mod1.conv1.weight"] = body["module.mod1.conv1.weight"][:, :bands]
    classifier = {"module.classifier.fc.weight": torch.ones(9, 2048), "module.classifier.fc.bias": torch.ones(9)}
    return body | classifier


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.usefixtures("small")
def test_imagenet_weights_are_taken_whole_and_mean_the_same_with_every_norm(tmp_path: Path) -> None:
    path = saved(tmp_path / "resnet.pth.tar", {"epoch": 90, "arch": "resnet", "state_dict": imagenet()})
    image = torch.randn(2, 3, 64, 64)

    maps = {}
    for norm in ("std", "abn", "iabn", "iabn_sync"):
        if norm.startswith("iabn") and not has_in_place():
            continue
        encoder = Encoder(options("resnet50-iabn", norm=norm, weights=path, output_stride=16), 3).eval()
        with torch.no_grad():
            maps[norm] = encoder(image)

    for stages in maps.values():
        for stage, expected in zip(stages, maps["abn"], strict=True):
            assert_close(stage, expected, rtol=1e-4, atol=1e-4)
    assert maps["abn"][-1].std() > 0.01
    assert any((value < 0).any() for name, value in imagenet().items() if name.endswith("bn3.weight"))


def has_in_place() -> bool:
    try:
        import inplace_abn  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.mark.usefixtures("small")
def test_in_place_norms_learn_what_their_twin_learns(tmp_path: Path) -> None:
    """Nothing reads or changes what In-Place ABN overwrites: gradients are those of plain torch."""
    if not has_in_place():
        pytest.skip("In-Place ABN is not installed: scripts/install_iabn.sh")
    path = saved(tmp_path / "resnet.pth", imagenet())
    image = torch.randn(4, 3, 64, 64)
    gradients = {}
    for norm in ("abn", "iabn"):
        encoder = Encoder(options("resnet50-iabn", norm=norm, weights=path, output_stride=16), 3)
        sum(stage.square().mean() for stage in encoder(image)).backward()
        gradients[norm] = {name: parameter.grad for name, parameter in encoder.named_parameters()}

    for name, gradient in gradients["abn"].items():
        close = (gradient - gradients["iabn"][name]).abs().max() <= 2e-2 * gradient.abs().max() + 1e-5
        assert close, name


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("bands", [1, 5])
def test_weights_for_other_bands_answer_grey_images_as_before(bands: int, tmp_path: Path) -> None:
    path = saved(tmp_path / "resnet.pth", imagenet())
    grey = torch.randn(1, 1, 64, 64)

    with torch.no_grad():
        three = Encoder(options("resnet50-iabn", weights=path), 3).eval()(grey.expand(-1, 3, -1, -1))
        others = Encoder(options("resnet50-iabn", weights=path), bands).eval()(grey.expand(-1, bands, -1, -1))

    assert_close(others[0], three[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bands", [1, 2, 3, 20])
def test_erfnet_takes_weights_for_any_number_of_bands(bands: int, tmp_path: Path) -> None:
    state, _ = golden("erfnet")
    pretrained = {f"module.features.{name}": v for name, v in state.items() if name.startswith("encoder.")}
    pretrained["module.classifier.weight"] = torch.ones(2)
    path = saved(tmp_path / "encoder.pth.tar", {"state_dict": pretrained})
    grey = torch.randn(1, 1, 32, 32)

    with torch.no_grad():
        encoder = Encoder(options("erfnet", weights=path), bands).eval()
        three = Encoder(options("erfnet", weights=path), 3).eval()(grey.expand(-1, 3, -1, -1))
        others = encoder(grey.expand(-1, bands, -1, -1))

    assert_close(others[0], three[0], rtol=1e-4, atol=1e-4)


def other(change: str) -> Any:
    """Files that are not what `imagenet` is."""
    state = imagenet()
    match change:
        case "missing":
            del state["module.mod3.block1.convs.bn2.bias"]
        case "renamed":
            state["module.mod3.block1.convs.norm2.bias"] = state.pop("module.mod3.block1.convs.bn2.bias")
        case "shape":
            state["module.mod3.block1.convs.conv2.weight"] = torch.ones(64, 128, 3, 3)
        case "bands":
            state = imagenet(bands=2)
        case "two":
            state |= {f"ema.{name.removeprefix('module.')}": value for name, value in state.items()}
        case "nan":
            state["module.mod3.block1.convs.bn2.bias"][5] = torch.nan
        case "timm":
            state = {"conv1.weight": torch.ones(64, 3, 7, 7)}
        case "object":
            return {"state_dict": state, "trainer": Path("anything")}
    return {"state_dict": state}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("missing", r"1 tensors are missing \(mod3\.block1\.convs\.bn2\.bias\) and 0 do not belong to it;"),
        ("renamed", r"1 tensors are missing \(.*\) and 1 do not belong to it \(mod3\.block1\.convs\.norm2\.bias\)"),
        ("shape", r"mod3\.block1\.convs\.conv2\.weight \[64, 128, 3, 3\] instead of \[128, 128, 3, 3\]"),
        ("bands", r"mod1\.conv1\.weight \[64, 2, 7, 7\] instead of \[64, 3, 7, 7\]"),
        ("nan", r"holds weights that are NaN or infinite \(mod3\.block1\.convs\.bn2\.bias\)"),
        ("two", r"whose first layer mod1\.conv1\.weight they hold several times"),
        ("timm", r"they hold not at all, but conv1\.weight"),
        ("object", "could run code"),
    ],
)
def test_files_that_are_not_all_of_it_are_refused_in_a_sentence(change: str, sentence: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pth", other(change))

    with pytest.raises(InvalidCheckpoint, match=sentence):
        Encoder(options("resnet50-iabn", weights=path), 3)


@pytest.mark.usefixtures("small")
def test_a_truncated_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pth", {"state_dict": imagenet()})
    path.write_bytes(path.read_bytes()[:-1000])

    with pytest.raises(InvalidCheckpoint, match="is not a file of weights, or it is damaged"):
        Encoder(options("resnet50-iabn", weights=path), 3)


def test_own_encoders_have_no_weights_to_download() -> None:
    with pytest.raises(InvalidOptions, match=r"no weights of 'erfnet': give a file with --model\.weights"):
        Encoder(options("erfnet", pretrained=True), 3)


def test_own_encoders_have_no_named_sets_of_weights() -> None:
    with pytest.raises(UnknownName, match=r"no set of pretrained weights 'erfnet\.imagenet'\. .*Valid: erfnet\.$"):
        Encoder(options("erfnet.imagenet"), 3)


def test_erfnet_has_the_weights_of_its_table() -> None:
    """Weights and biases of each convolution, then two numbers per channel of its norm."""

    def block(width: int) -> int:
        return 4 * (width * width * 3 + width) + 2 * 2 * width

    encoder = (
        (3 * 13 * 9 + 13 + 2 * 16)
        + (16 * 48 * 9 + 48 + 2 * 64)
        + 5 * block(64)
        + (64 * 64 * 9 + 64 + 2 * 128)
        + 8 * block(128)
    )
    decoder = (128 * 64 * 9 + 64 + 2 * 64) + 2 * block(64) + (64 * 16 * 9 + 16 + 2 * 16) + 2 * block(16)
    classifier = 16 * 20 * 4 + 20

    network = Segmenter(options("erfnet", decoder="erfnet"), 3, (20,))

    assert sum(parameter.numel() for parameter in network.parameters()) == encoder + decoder + classifier == 2_064_256


def test_erfnet_has_the_shapes_rates_and_constants_of_its_table() -> None:
    network = Segmenter(options("erfnet", decoder="erfnet"), 3, (20,)).eval()

    output = network(torch.randn(1, 3, 32, 64))

    assert [tuple(stage.shape[1:]) for stage in output.stages] == [(16, 16, 32), (64, 8, 16), (128, 4, 8)]
    assert output.pixels.shape[1:] == (16, 16, 32)
    assert output.logits.shape == (1, 20, 32, 64)
    assert_close(output.coarse, nn.functional.avg_pool2d(output.logits, 2))
    assert {module.eps for module in network.modules() if isinstance(module, nn.BatchNorm2d)} == {1e-3}
    blocks = [module for module in network.modules() if isinstance(module, NonBottleneck1D)]
    assert [block.dropout.p for block in blocks] == [0.03] * 5 + [0.3] * 8 + [0.0] * 4
    assert [block.conv1x3_2.dilation[1] for block in blocks] == [1] * 5 + [2, 4, 8, 16] * 2 + [1] * 4


@pytest.mark.parametrize("given", [{"norm": "abn"}, {"act": "elu"}])
def test_the_decoder_of_erfnet_has_its_own_norms_and_activations(given: dict[str, str]) -> None:
    Segmenter(options("erfnet", decoder="erfnet", act="relu"), 3, (2,))

    with pytest.raises(InvalidOptions, match=re.escape("leave out --model.norm and --model.act")):
        Segmenter(options("erfnet", decoder="erfnet", **given), 3, (2,))
