"""Weights of another program give the same answers here, or are refused in a sentence."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor
from torch.testing import assert_close

from saticl.config import ImportConfig
from saticl.errors import InvalidCheckpoint, InvalidOptions, SaticlError, UnknownName
from saticl.models.foreign import ARCHITECTURES
from saticl.models.foreign.adopt import adopt
from saticl.models.foreign.head import MARGIN, Channels, biases, rows
from saticl.models.foreign.smp import RESNETS
from saticl.models.segmenter import Segmenter
from tests.foreign import as_theirs, invented, invented_image, made

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
NAMES = ("road", "water", "tree")
CHANNELS = Channels(NAMES, "water")
IMAGE = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def adopted(path: Path, channels: Channels = CHANNELS, encoder: str = "tu-test_resnet", bands: int = 3) -> Segmenter:
    return adopt(path, ARCHITECTURES["smp-unet"], encoder, channels, bands, 64)


def saved(path: Path, content: Any) -> Path:
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return path


@torch.no_grad()
def scores(segmenter: Segmenter, image: Tensor = IMAGE) -> Tensor:
    return segmenter.eval()(image).logits


def test_the_option_offers_what_the_table_has() -> None:
    assert get_args(ImportConfig.model_fields["architecture"].annotation) == tuple(ARCHITECTURES)


@pytest.mark.parametrize("encoder", ["resnet18", "tu-efficientnet_b0", "tu-convnext_atto"])
def test_scores_are_those_of_the_other_program(encoder: str, tmp_path: Path) -> None:
    with np.load(GOLDEN / f"smp_unet_{encoder}.npz") as archive:
        shapes, expected = json.loads(str(archive["shapes"])), torch.from_numpy(archive["scores"])
    path = saved(tmp_path / "model.pth", invented((name, tuple(shape)) for name, shape in shapes))

    found = scores(adopted(path, Channels(("other", "road"), "other"), encoder), invented_image())

    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize(
    ("before", "nest", "suffix"),
    [
        ("", None, ".pth"),
        ("", None, ".safetensors"),
        ("module.", None, ".pt"),
        ("model.", "state_dict", ".ckpt"),
        ("net.", "model", ".pth"),
        ("module.model.", "state_dict", ".pth"),
        ("_orig_mod.", None, ".safetensors"),
    ],
)
def test_wrappers_around_the_weights_do_not_matter(before: str, nest: str | None, suffix: str, tmp_path: Path) -> None:
    theirs = made()
    state: Any = as_theirs(theirs, before)
    if before not in ("", "module."):  # what a training program keeps beside the network
        state |= {"loss.weight": torch.ones(3), "mean": torch.zeros(1, 3, 1, 1)}
    path = saved(tmp_path / f"model{suffix}", state if nest is None else {nest: state, "epoch": 3})

    assert_close(scores(adopted(path)), scores(theirs)[:, [1, 0, 2]])


def test_old_and_half_precise_files_and_a_second_task_do_not_matter(tmp_path: Path) -> None:
    """No counters of batches, 16 bits, and a head that classifies whole images."""
    theirs = made().half().float()
    state = {name: value.half() for name, value in as_theirs(theirs).items() if "num_batches" not in name}
    state["classification_head.3.weight"] = torch.ones(4, 512)

    segmenter = adopted(saved(tmp_path / "model.pth", state))

    assert_close(scores(segmenter), scores(theirs)[:, [1, 0, 2]])
    assert {value.dtype for value in segmenter.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", RESNETS)
def test_their_own_resnets_are_known_to_timm(name: str) -> None:
    assert timm.is_model(name)
    assert ARCHITECTURES["smp-unet"].options(name, None) == ARCHITECTURES["smp-unet"].options(f"tu-{name}", None)


channel_scores = st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=6)


def answers(weight: Tensor, bias: Tensor, channels: Channels, pixel: Tensor) -> Tensor:
    """Scores of a pixel by our head."""
    return rows(weight, channels).flatten(1) @ pixel + biases(bias, channels)


@given(drawn=channel_scores, seed=st.integers(0, 99))
def test_without_a_background_index_0_never_wins_and_all_else_stays(drawn: list[float], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight, bias = torch.randn(len(drawn), 2, 3, 3, generator=generator), torch.tensor(drawn)
    pixel = torch.randn(18, generator=generator)
    theirs = weight.flatten(1) @ pixel + bias

    ours = answers(weight, bias, Channels(tuple(map(str, range(len(drawn))))), pixel)

    assert_close(ours[1:], theirs)
    assert_close(ours[0], theirs.mean() - MARGIN, rtol=1e-4, atol=1e-4)
    assert ours[0] < theirs.max()


@pytest.mark.parametrize(("background", "order"), [("road", [0, 1, 2]), ("water", [1, 0, 2]), ("tree", [2, 0, 1])])
def test_a_background_of_their_own_comes_first(background: str, order: list[int]) -> None:
    weight, bias, pixel = torch.randn(3, 2, 3, 3), torch.randn(3), torch.randn(18)

    ours = answers(weight, bias, Channels(NAMES, background), pixel)

    assert_close(ours, (weight.flatten(1) @ pixel + bias)[order])


@pytest.mark.parametrize("channels", [Channels(("road",)), Channels(("other", "road"), "other")])
def test_a_single_output_is_a_class_against_everything_else(channels: Channels) -> None:
    weight, bias, pixel = torch.randn(1, 2, 3, 3), torch.randn(1), torch.randn(18)
    channels.require(1)

    probabilities = answers(weight, bias, channels, pixel).softmax(0)

    assert_close(probabilities[1], torch.sigmoid(weight.flatten() @ pixel + bias[0]))


def test_new_classes_start_from_an_imported_background_alive_and_without_changing_a_pixel(tmp_path: Path) -> None:
    theirs = made()
    segmenter = adopted(saved(tmp_path / "model.pth", as_theirs(theirs)), Channels(NAMES))
    before = scores(segmenter)

    segmenter.classifier.balanced = True
    segmenter.grow(2)

    after = scores(segmenter)
    assert torch.equal(after.argmax(1), 1 + scores(theirs).argmax(1))
    assert_close(after[:, 1:4], before[:, 1:4])
    new = after.softmax(1)[:, 4:]
    assert_close(3 * new[:, :1], before.softmax(1)[:, :1], rtol=1e-4, atol=1e-6)
    assert (new.amax(dim=(0, 2, 3)) > 0.03).all()


@pytest.mark.parametrize(
    ("classes", "background", "sentence"),
    [
        (NAMES, "sky", "none of the --classes road, water, tree"),
        (("road", "background"), None, "add --background background"),
        (("road",), "road", "nothing but the background"),
    ],
)
def test_backgrounds_that_make_no_sense_are_refused(
    classes: tuple[str, ...], background: str | None, sentence: str
) -> None:
    with pytest.raises(InvalidOptions, match=sentence):
        Channels(classes, background)


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c", "d"), ("a",)])
def test_another_number_of_classes_is_refused(classes: tuple[str, ...], tmp_path: Path) -> None:
    path = saved(tmp_path / "model.pth", as_theirs(made()))

    with pytest.raises(InvalidOptions, match=rf"has 3 outputs, and --classes names {len(classes)} \(a"):
        adopted(path, Channels(classes))


def test_two_classes_need_two_outputs_unless_one_is_the_background() -> None:
    with pytest.raises(InvalidOptions, match="has 1 outputs, and --classes names 2"):
        Channels(("a", "b")).require(1)


@pytest.mark.parametrize(
    ("encoder", "kind", "sentence"),
    [
        ("efficientnet-b0", InvalidOptions, "which is tu- before the name of a timm encoder, or one of resnet18"),
        ("efficientnet_b0", InvalidOptions, "cannot be imported"),
        ("tu-nope", UnknownName, "no encoder 'nope'"),
        ("tu-test_vit", InvalidOptions, "its maps are 16, 16"),
    ],
)
def test_encoders_that_cannot_be_taken_over_are_refused(
    encoder: str, kind: type[SaticlError], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=sentence):
        adopted(saved(tmp_path / "model.pth", as_theirs(made())), encoder=encoder)


def broken(change: str) -> dict[str, Tensor]:
    """The weights of a network that is not quite the one that can be imported."""
    state = as_theirs(made())
    match change:
        case "other":
            state = {"fc.weight": torch.ones(2), "fc.bias": torch.ones(2)}
        case "several":
            state |= {f"ema.{name}": value for name, value in state.items()}
        case "missing":
            state = {name: value for name, value in state.items() if ".blocks.1." not in name}
        case "unexpected":
            state |= {f"decoder.blocks.{block}.attention1.weight": torch.ones(2) for block in range(5)}
        case "shape":
            state["decoder.blocks.4.conv2.0.weight"] = torch.ones(8, 8, 3, 3)
        case "bias":
            del state["segmentation_head.0.bias"]
        case "nan":
            state["decoder.blocks.0.conv1.1.bias"][7] = torch.nan
    return state


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("other", r"no segmentation_head\.0\.weight, but 2 other tensors \(fc\.weight, fc\.bias\)"),
        ("several", r"several models, whose names begin with '', 'ema\.'"),
        ("missing", r"10 tensors are missing .* and 5 more\) and no tensors are unexpected"),
        (
            "unexpected",
            r"no tensors are missing and 5 tensors are unexpected \(decoder\.blocks\.0\.attention1\.weight",
        ),
        ("shape", r"1 of \d+ tensors have another shape, .* \[8, 8, 3, 3\] instead of \[16, 16, 3, 3\]"),
        ("bias", "has no bias"),
        ("nan", r"NaN or infinite \(body\.decoder\.blocks\.0\.1\.0\.bias\)"),
    ],
)
def test_another_network_is_refused_by_what_does_not_fit(change: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidCheckpoint, match=sentence):
        adopted(saved(tmp_path / "model.pth", broken(change)))


def test_other_bands_are_refused_as_such(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.pth", as_theirs(made(bands=4)))

    with pytest.raises(InvalidOptions, match="reads 4 bands, and --bands names 3"):
        adopted(path)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.pth", {"state_dict": as_theirs(made()), "trainer": Path("anything")})

    with pytest.raises(InvalidCheckpoint, match="could run code"):
        adopted(path)


def test_the_option_that_names_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidCheckpoint, match="--checkpoint takes"):
        adopted(tmp_path / "none.pth")
