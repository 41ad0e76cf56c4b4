"""What a step leaves on disk is complete and finite, and only what belongs to it is continued."""

import re
from pathlib import Path, PurePosixPath

import pytest
import torch
from safetensors import safe_open

from saticl.engine import checkpoint
from saticl.errors import InvalidCheckpoint, NonFiniteWeights
from saticl.models.segmenter import Segmenter
from saticl.options import ModelOptions
from saticl.runs.step import StepInfo
from saticl.tasks import Protocol, Task
from tests.trained import CLASSES, info

PATH = Path("run/step-0/model.safetensors")
NEXT = Task(CLASSES, Protocol("21", (CLASSES[:2], CLASSES[2:])), 1)


def test_tensors_of_any_layout_are_saved_as_they_are(tmp_path: Path) -> None:
    grows = torch.nn.Parameter(torch.arange(6.0).view(2, 3))
    tensors = {"turned": grows.detach().T, "trained": grows}

    checkpoint.save_tensors(tmp_path / "a.safetensors", tensors, {"who": "me"})

    found = checkpoint.load_tensors(tmp_path / "a.safetensors")
    assert found["turned"].equal(grows.detach().T)
    assert found["trained"].equal(grows.detach())
    with safe_open(tmp_path / "a.safetensors", framework="pt") as archive:
        assert archive.metadata() == {"who": "me"}


def test_a_file_that_is_not_there_holds_no_tensors(tmp_path: Path) -> None:
    assert checkpoint.load_tensors(tmp_path / "a.safetensors") == {}


def test_a_message_names_one_of_the_wrong_tensors_and_counts_the_others() -> None:
    bad = torch.tensor([0.0, float("nan")])
    weights = {"fine": torch.zeros(2), "a": bad, "b": bad, "c": bad}
    said = (
        f"The weights for {PATH} are NaN or infinite (a and 2 other tensors): lower --optimizer.lr or set "
        "--trainer.clip, delete the folder of that step, and train it again."
    )

    with pytest.raises(NonFiniteWeights, match=f"^{re.escape(said)}$"):
        checkpoint.require_finite(weights, PATH)
    checkpoint.require_finite({"fine": torch.zeros(2)}, PATH)


def saved(path: Path, about: StepInfo, head_sizes: tuple[int, ...]) -> None:
    """A checkpoint whose weights are those of a network with these heads."""
    network = Segmenter(ModelOptions(encoder="test_resnet"), 3, head_sizes, 64)
    checkpoint.save_model(path, network.state_dict(), about)


def test_a_checkpoint_needs_no_download_and_no_file_of_weights(tmp_path: Path) -> None:
    model = ModelOptions(encoder="test_resnet", pretrained=True, weights=tmp_path / "gone.pth")
    saved(tmp_path / "m.safetensors", info(model=model), (3,))

    network, about = checkpoint.load_model(tmp_path / "m.safetensors")

    assert about.model == model
    assert network.num_classes == 3


def test_weights_that_do_not_fit_their_description_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "m.safetensors", info(), (4,))
    said = (
        f"The weights in {tmp_path / 'm.safetensors'} do not fit the network it describes (test_resnet): "
        "it was written by another version of the encoder library or of the method ft, whose "
        "`rebuild` must add what its `grow` adds."
    )

    with pytest.raises(InvalidCheckpoint, match=f"^{re.escape(said)}$"):
        checkpoint.load_model(tmp_path / "m.safetensors")


def test_tensors_go_where_a_method_uses_them() -> None:
    moved = checkpoint.on_device({"a": torch.zeros(2), "b": torch.zeros(3)}, torch.device("meta"))

    assert {name: (value.device.type, len(value)) for name, value in moved.items()} == {
        "a": ("meta", 2),
        "b": ("meta", 3),
    }


@pytest.mark.parametrize(
    "past",
    [
        {"groups": (CLASSES[1:], CLASSES[:1])},
        {"groups": (CLASSES[:1], CLASSES[1:2], CLASSES[2:]), "step": 1},
        {"step": 1},
    ],
    ids=["other classes", "other steps", "the same step"],
)
def test_a_step_continues_from_its_own_past_only(past: dict[str, object]) -> None:
    with pytest.raises(InvalidCheckpoint, match=r"finished step \d of town/21 .* continues from {building, tree}"):
        checkpoint.require_same_protocol(info(**past), NEXT, info().bands, PATH)


def test_a_refusal_says_what_was_learned_and_what_is_asked_for() -> None:
    past = info(groups=(CLASSES[:1], CLASSES[1:2], CLASSES[2:]), step=1)
    said = (
        f"{PATH} finished step 1 of town/21 with the classes {{building}} > {{tree}}, but step 1 of 21 continues from "
        "{building, tree}. Train the previous step of this task, or point --task.step-checkpoint to it."
    )

    with pytest.raises(InvalidCheckpoint, match=f"^{re.escape(said)}$"):
        checkpoint.require_same_protocol(past, NEXT, past.bands, PATH)


@pytest.mark.parametrize(
    ("learned", "asked", "said"),
    [
        ("car", None, "learned its classes on the background car, but step 1 of 2 has an artificial background"),
        (None, "car", "learned its classes on an artificial background, but step 1 of 2 has the background car"),
    ],
)
def test_a_refusal_names_the_background_where_only_that_differs(
    learned: str | None, asked: str | None, said: str
) -> None:
    names = (*CLASSES, "road")
    planned = Task(names, Protocol("2", (CLASSES[:2], ("road",)), asked), 1)

    with pytest.raises(InvalidCheckpoint) as refused:
        checkpoint.require_same_protocol(info(background=learned), planned, info().bands, PATH)

    assert str(refused.value).startswith(f"{PATH} {said}: ")
    assert str(refused.value).endswith("--task.step-checkpoint to it.")
    assert "{" not in str(refused.value)


def test_what_comes_later_may_be_another_plan_than_that_of_the_checkpoint() -> None:
    four = (*CLASSES, "road")
    planned = Task(four, Protocol("other", (four[:2], four[2:])), 1)

    checkpoint.require_same_protocol(info(), planned, info().bands, PATH)


def test_a_step_continues_on_the_same_bands_only() -> None:
    said = (
        f"{PATH} was trained on the bands red, green, blue, but this run reads red, near; "
        "use the same data and --in-channels for every step."
    )

    with pytest.raises(InvalidCheckpoint, match=f"^{re.escape(said)}$"):
        checkpoint.require_same_protocol(info(), NEXT, ("red", "near"), PATH)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("encoder", "resnet18", "--model.encoder test_resnet, this run asks for resnet18"),
        ("norm", "abn", "--model.norm std, this run asks for abn"),
        ("act", "elu", "--model.act ident, this run asks for elu"),
        ("output_stride", 8, "--model.output-stride 32, this run asks for 8"),
    ],
)
def test_a_step_continues_with_the_same_network_only(name: str, value: object, said: str) -> None:
    asked = info().model.model_copy(update={name: value})
    whole = f"{PATH} holds a network with {said}; use the same network for every step."

    with pytest.raises(InvalidCheckpoint, match=f"^{re.escape(whole)}$"):
        checkpoint.require_same_network(info(), asked, PATH)


def test_dropout_may_change_between_steps() -> None:
    checkpoint.require_same_network(info(), info().model.model_copy(update={"dropout": 0.5}), PATH)


def test_the_state_of_an_unfinished_step_comes_back_and_code_in_it_is_never_run(tmp_path: Path) -> None:
    state = {"tensor": torch.arange(3), "number": 4, "inner": {"none": None}}

    checkpoint.save_resumable(tmp_path / "last" / "state.pt", state)

    found = checkpoint.load_resumable(tmp_path / "last" / "state.pt")
    assert found["tensor"].equal(torch.arange(3))
    assert (found["number"], found["inner"]) == (4, {"none": None})
    assert [file.name for file in (tmp_path / "last").iterdir()] == ["state.pt"]
    torch.save({"object": PurePosixPath("a")}, tmp_path / "pickled.pt")
    with pytest.raises(InvalidCheckpoint, match="is damaged or comes from another version"):
        checkpoint.load_resumable(tmp_path / "pickled.pt")


def test_a_state_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    checkpoint.save_resumable(tmp_path / "state.pt", {"number": 1})

    with pytest.raises(Exception, match="pickle"):
        checkpoint.save_resumable(tmp_path / "state.pt", {"number": lambda: 2})

    assert checkpoint.load_resumable(tmp_path / "state.pt") == {"number": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]
