import copy
import os
import pickle
from pathlib import Path

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.errors import InvalidCheckpoint
from saticl.models.encoder import Encoder
from saticl.models.weights import adapt_bands, read_state
from saticl.options import ModelOptions


def build(name: str, bands: int = 3, size: int = 64, **options: object) -> Encoder:
    return Encoder(ModelOptions.model_validate({"encoder": name, **options}), bands, size).eval()


def trained(name: str, **arguments: object) -> nn.Module:
    """A whole timm model, classifier and all, that stands for a pretrained one."""
    torch.manual_seed(3)
    model: nn.Module = timm.create_model(name, **arguments)
    return model.eval()


def save(model: nn.Module, folder: Path, suffix: str = ".pth") -> Path:
    path = folder / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(model.state_dict(), path)
    else:
        torch.save(model.state_dict(), path)
    return path


def stem(encoder: Encoder, name: str, image: Tensor) -> Tensor:
    """What the first convolution answers."""
    answers: list[Tensor] = []
    module = dict(encoder.maps.named_modules())[name]
    handle = module.register_forward_hook(lambda _, __, output: answers.append(output.detach().clone()))
    encoder(image)
    handle.remove()
    return answers[0]


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".tar"])
@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_efficientnet", "test_vit"])
def test_encoder_with_a_file_answers_like_the_model_that_wrote_it(name: str, suffix: str, tmp_path: Path) -> None:
    size = {"img_size": 64} if name == "test_vit" else {}
    model = trained(name, **size)
    image = torch.randn(1, 3, 64, 64)

    encoder = build(name, weights=save(model, tmp_path, suffix))

    assert_close(encoder(image)[-1], model.forward_intermediates(image, intermediates_only=True)[-1])


def test_checkpoints_are_looked_into(tmp_path: Path) -> None:
    state = trained("test_resnet").state_dict()
    wrapped = {f"module.{name}": value for name, value in state.items()}
    torch.save({"state_dict": wrapped, "epoch": 7}, tmp_path / "checkpoint.pth.tar")

    assert_close(read_state(tmp_path / "checkpoint.pth.tar"), dict(state))


def test_positions_of_a_transformer_are_interpolated(tmp_path: Path) -> None:
    path = save(trained("test_vit", img_size=160), tmp_path)

    encoder = build("test_vit", weights=path, size=64)

    assert encoder(torch.randn(1, 3, 64, 64))[0].isfinite().all()


@settings(deadline=None)
@given(pixels=st.sampled_from([1, 4, 16]), ours=st.integers(1, 9), theirs=st.integers(1, 5), seed=st.integers(0, 99))
def test_grey_images_are_answered_as_before(pixels: int, ours: int, theirs: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(5, pixels * theirs, 3, 3, generator=generator, dtype=torch.float64)
    grey = torch.randn(1, pixels, 1, 6, 6, generator=generator, dtype=torch.float64)

    adapted = adapt_bands(weight, ours, theirs)

    answer = nn.functional.conv2d(grey.expand(-1, -1, ours, -1, -1).flatten(1, 2), adapted)
    expected = nn.functional.conv2d(grey.expand(-1, -1, theirs, -1, -1).flatten(1, 2), weight)
    assert_close(answer, expected)


def test_same_bands_keep_their_weights() -> None:
    weight = torch.randn(4, 48, 3, 3)

    assert_close(adapt_bands(weight, 3, 3), weight, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "first", "bands"),
    [("test_resnet", "conv1.0", 4), ("test_resnet", "conv1.0", 8), ("tresnet_m", "body_conv1.conv", 5)],
)
def test_black_extra_bands_scale_the_stems_answer(name: str, first: str, bands: int, tmp_path: Path) -> None:
    """Also through TResNet's stem, which folds 4 x 4 pixels into channels."""
    path = save(trained(name), tmp_path)
    image = torch.randn(1, 3, 64, 64)
    with_black = torch.cat([image, torch.zeros(1, bands - 3, 64, 64)], dim=1)

    answer = stem(build(name, bands, weights=path), first, with_black)

    expected = stem(build(name, 3, weights=path), first, image) * 3 / bands
    assert_close(answer, expected, rtol=1e-4, atol=1e-5)


def test_one_band_is_answered_like_a_grey_image(tmp_path: Path) -> None:
    path = save(trained("test_resnet"), tmp_path)
    grey = torch.randn(1, 1, 64, 64)

    answer = build("test_resnet", 1, weights=path)(grey)

    assert_close(answer, build("test_resnet", 3, weights=path)(grey.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-4)


def test_in_place_abn_keeps_the_pretrained_weights(tmp_path: Path) -> None:
    path = save(trained("tresnet_m"), tmp_path)
    image = torch.randn(1, 3, 64, 64)

    answers = [build("tresnet_m", weights=path, norm=norm)(image)[-1] for norm in ("std", "abn")]

    assert_close(answers[0], answers[1], rtol=1e-3, atol=1e-3)  # 1e-5 is added to each scale


def test_in_place_abn_keeps_the_sign_of_pretrained_scales(tmp_path: Path) -> None:
    """Batch norms learn scales below zero, which In-Place ABN does not have; Darknet's have some."""
    model = trained("darknet17")
    for name, parameter in model.named_parameters():
        if name.endswith("bn.weight"):
            parameter.data[::2] *= -1
    path = save(model, tmp_path)
    image = torch.randn(1, 3, 64, 64)

    answers = [build("darknet17", weights=path, norm=norm)(image)[-1] for norm in ("std", "abn")]

    assert_close(answers[0], answers[1], rtol=1e-3, atol=1e-3)


def test_weights_of_another_encoder_are_refused_with_an_example(tmp_path: Path) -> None:
    path = save(trained("test_resnet"), tmp_path)

    with pytest.raises(InvalidCheckpoint, match=r"do not fit resnet18: \d+ of 120 match.*conv1.*--model\.encoder"):
        build("resnet18", weights=path)


def test_refused_weights_change_nothing(tmp_path: Path) -> None:
    from saticl.models import weights
    from saticl.models.blueprint import draw

    options = ModelOptions(encoder="resnet18")
    encoder = Encoder(options, 3)
    before = copy.deepcopy(encoder.state_dict())

    with pytest.raises(InvalidCheckpoint):
        weights.load_file(encoder.maps, draw(options, 3, None), save(trained("test_resnet"), tmp_path))
    assert_close(encoder.state_dict(), before)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = trained("test_resnet")
    name, weight = next(iter(model.named_parameters()))
    weight.data.view(-1)[3] = torch.inf

    with pytest.raises(InvalidCheckpoint, match=rf"weights\.pth holds weights that are NaN or infinite \({name}\)"):
        build("test_resnet", weights=save(model, tmp_path))


class Malice:
    """What a hostile checkpoint does when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("malice",)


def test_files_that_would_run_code_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Malice()}, "zip.pth")
    Path("old.pth").write_bytes(pickle.dumps(Malice(), protocol=2))

    for name in ("zip.pth", "old.pth"):
        with pytest.raises(InvalidCheckpoint, match=f"{name} holds more than weights"):
            read_state(Path(name))
    assert not Path("malice").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 half a zip file"])
def test_damaged_files_are_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)

    with pytest.raises(InvalidCheckpoint, match="damaged"):
        read_state(path)


@pytest.mark.parametrize("is_zip", [True, False])
def test_truncated_files_are_refused_wherever_they_end(is_zip: bool, tmp_path: Path) -> None:
    """Also as torch wrote them before 1.6, which is how the published weights of In-Place ABN and MiB are saved."""
    path = tmp_path / "weights.pth.tar"
    content = {"epoch": 90, "state_dict": {"module.conv1.weight": torch.ones(2, 3)}}
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    whole = path.read_bytes()

    assert_close(read_state(path), {"conv1.weight": torch.ones(2, 3)})
    for end in {*range(0, len(whole), 29), len(whole) - 1}:
        path.write_bytes(whole[:end])
        with pytest.raises(InvalidCheckpoint, match=r"damaged|holds no weights"):
            read_state(path)


@pytest.mark.parametrize("content", [{"a": 1}, [1.5, 2], b"bytes", "text"])
def test_pickles_that_torch_did_not_write_are_refused(content: object, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(pickle.dumps(content))

    with pytest.raises(InvalidCheckpoint, match=r"weights\.pth .*damaged"):
        read_state(tmp_path / "weights.pth")


def test_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "epoch.pth")

    with pytest.raises(InvalidCheckpoint, match=r"There is no file .*absent\.pth"):
        read_state(tmp_path / "absent.pth")
    with pytest.raises(InvalidCheckpoint, match="holds no weights"):
        read_state(tmp_path / "epoch.pth")


def test_pretrained_weights_without_a_hub_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    with pytest.raises(InvalidCheckpoint, match=r"test_resnet.*--model\.weights FILE.*HF_HOME"):
        build("test_resnet", pretrained=True)


def test_pretrained_weights_are_adapted_to_the_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def from_hub(name: str, *, pretrained: bool = False, **arguments: object) -> nn.Module:
        return model if pretrained else create(name, **arguments)

    model = trained("test_resnet")
    monkeypatch.setattr("timm.create_model", from_hub)
    encoder = build("test_resnet", 4, pretrained=True)

    weight = model.get_parameter("conv1.0.weight")
    assert_close(encoder.maps.state_dict()["conv1.0.weight"][:, :3], weight * 3 / 4)
