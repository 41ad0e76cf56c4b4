"""Networks of a step from the folder of the one before."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from saticl.commands.assembly import build_networks, replayable
from saticl.engine.checkpoint import save_model
from saticl.errors import InvalidCheckpoint, InvalidOptions
from saticl.methods.base import Method
from saticl.models.segmenter import Segmenter
from saticl.runs.folder import MODEL_FILE
from saticl.runs.memory import Kept, write_memory
from saticl.tasks import Task
from tests.prepared import write_prepared
from tests.trained import info, write_step

THIS = "tests.unit.commands.test_assembly"


class Adds(Method):
    """A module beside the network."""

    @classmethod
    def rebuild(cls, student: nn.Module, task: Task) -> None:
        student.adapter = nn.Conv2d(2, 2, 1)


class AddsToo(Adds):
    """The same one."""


class Picky(Method):
    """Wants what no network has."""

    @classmethod
    def require(cls, student: nn.Module) -> None:
        raise InvalidOptions(f"{type(student).__name__} has no wings")


def plan(tmp_path: Path, before: str, now: str) -> SimpleNamespace:
    """As far as networks need one, from a step 0 that `before` has trained."""
    about = info(0, method=before)
    network = Segmenter(about.model, 3, about.task.head_sizes, about.image_size)
    if before.endswith(("Adds", "AddsToo")):
        Adds.rebuild(network, about.task)
    save_model(tmp_path / MODEL_FILE, network.state_dict(), about)
    config = SimpleNamespace(model=about.model, method=now)
    return SimpleNamespace(
        config=config, task=info(1).task, previous=tmp_path, bands=about.bands, image_size=about.image_size
    )


def test_modules_of_another_method_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(InvalidCheckpoint, match=rf"adapter\.bias.*{THIS}:Adds.*--method"):
        build_networks(plan(tmp_path, f"{THIS}:Adds", "mib"))


@pytest.mark.parametrize(("before", "now"), [("Adds", "Adds"), ("Adds", "AddsToo"), ("ft", "Adds")])
def test_the_student_starts_as_the_previous_network_with_its_modules(before: str, now: str, tmp_path: Path) -> None:
    names = {"Adds": f"{THIS}:Adds", "AddsToo": f"{THIS}:AddsToo"}

    student, teacher = build_networks(plan(tmp_path, names.get(before, before), names[now]))

    assert teacher is not None
    ours = student.state_dict()
    for name, tensor in teacher.segmenter.state_dict().items():
        if not name.startswith("classifier"):
            torch.testing.assert_close(ours[name], tensor, rtol=0, atol=0)
    assert hasattr(student, "adapter") == (before != "ft")


def test_a_method_that_only_follows_its_own_steps_refuses_others(tmp_path: Path) -> None:
    with pytest.raises(InvalidCheckpoint, match=r"trained with ft, and dkd can only follow .* with --method dkd\.$"):
        build_networks(plan(tmp_path, "ft", "dkd"))

    assert build_networks(plan(tmp_path, "dkd", "dkd"))[1] is not None


@pytest.mark.parametrize("before", ["dkd", "star"])
def test_scores_without_a_background_are_not_taken_for_others(before: str, tmp_path: Path) -> None:
    said = rf"trained with {before}, whose scores cbd would misread: use --method {before} for this step, too\.$"

    with pytest.raises(InvalidCheckpoint, match=said):
        build_networks(plan(tmp_path, before, "cbd"))


@pytest.mark.parametrize("step", [0, 1])
def test_a_network_that_the_method_can_do_nothing_with_is_refused(step: int, tmp_path: Path) -> None:
    planned = plan(tmp_path, "ft", f"{THIS}:Picky")
    planned.task = info(step).task

    with pytest.raises(InvalidOptions, match="Segmenter has no wings"):
        build_networks(planned)


def test_tiles_of_another_folder_are_not_replayed(tmp_path: Path, tiny_tiles: Path) -> None:
    step = write_step(tmp_path / "run", info(0), data_root=str(tiny_tiles))
    write_memory(step, [Kept(tile="a/0", step=0)])
    write_prepared(tmp_path / "other", size=80)

    def kept(root: Path) -> tuple[Kept, ...]:
        return replayable(SimpleNamespace(task=info(1).task, previous=step, data=SimpleNamespace(root=root)))

    assert kept(tiny_tiles) == (Kept(tile="a/0", step=0),)
    with pytest.raises(InvalidOptions, match="tiles of another folder cannot be replayed"):
        kept(tmp_path / "other")
