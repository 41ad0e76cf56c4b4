"""Methods on a network that stays: new rows learn or are solved for, and what they add comes back from disk."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from saticl.config import TrainConfig
from saticl.engine import fit
from saticl.engine.checkpoint import load_model, save_model
from saticl.methods import load
from saticl.methods.base import Method
from saticl.methods.criterion import build_criterion
from saticl.methods.dft import DFT
from saticl.methods.frozen import number_of_heads
from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import CEOptions, KDOptions, ModelOptions, OptimizerOptions, TrainerOptions
from saticl.runs.journal import Epoch
from saticl.tasks import Protocol, Task
from saticl.types import Batch
from tests.steps import ignore, make_step
from tests.toy import ToySegmenter
from tests.trained import info

TASK = Task(("a", "b", "c"), Protocol("toy", (("a", "b"), ("c",), ()), places=((), (), ("x",))), 1)
DECAYING = OptimizerOptions(target="sgd", lr=0.5, momentum=0.9, weight_decay=0.1)


def build(name: str, task: Task = TASK, **options: object) -> Method:
    own = getattr(TrainConfig(), name, None)
    chosen = None if own is None else own.model_copy(update=options)
    return load(name)(task, build_criterion(CEOptions()), KDOptions(), chosen)


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def trained(
    method: Method, folder: Path, on_epoch: fit.OnEpoch = ignore, **changes: object
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of a real network, with batch norm, as the step began and as it ended."""
    torch.manual_seed(0)
    before = method.task.at(method.task.step - 1)
    student = Segmenter(ModelOptions(encoder="test_resnet"), 3, before.head_sizes, 64)
    type(method).rebuild(student, before)
    teacher = Teacher(student)
    student.grow(method.task.num_new)
    start = weights(student)
    fit.fit(make_step(folder, method, student=student, teacher=teacher, optimizer=DECAYING, **changes), on_epoch)
    return start, weights(student)


@pytest.mark.parametrize("name", ["dft", "ssul"])
def test_a_step_moves_new_rows_only(name: str, tmp_path: Path) -> None:
    start, end = trained(build(name), tmp_path)

    stays = [key for key in start if key.startswith("body.")]
    assert any("running_mean" in key for key in stays)
    assert all(torch.equal(end[key], start[key]) for key in stays)
    for key in ("classifier.heads.0.weight", "classifier.heads.0.bias"):
        assert torch.equal(end[key][1:], start[key][1:])
        assert torch.equal(end[key][0], start[key][0]) == (name == "dft")
    assert not torch.equal(end["classifier.heads.1.weight"], start["classifier.heads.1.weight"])


@pytest.mark.parametrize("name", ["dft", "ssul"])
@pytest.mark.parametrize("step", [0, 2])
def test_step_0_and_a_step_of_new_places_train_everything(name: str, step: int) -> None:
    method = build(name, TASK.at(step))

    (phase,) = method.phases()

    assert phase.rates == {}
    assert list(method.resting(ToySegmenter((3,)))) == []


def test_the_newest_head_is_the_last_of_those_that_steps_have_made() -> None:
    protocol = Protocol("gaps", (("a",), (), ("b",)), places=((), ("x",), ("y",)))

    assert [number_of_heads(Task(("a", "b"), protocol, step)) for step in range(3)] == [1, 1, 2]
    assert "student.classifier.heads.1." in build("dft", Task(("a", "b"), protocol, 2)).phases()[0].rates


def test_new_rows_learn_the_same_whichever_old_class_a_label_names() -> None:
    torch.manual_seed(0)
    method = DFT(TASK, build_criterion(CEOptions()), KDOptions())
    image, hidden = torch.randn(2, 3, 8, 8), torch.randint(4, (2, 8, 8))
    shown = hidden.where(hidden >= TASK.num_old, 0)
    gradients = []
    for target in (hidden, shown):
        torch.manual_seed(1)
        student = ToySegmenter((3, 1))
        method.terms(Batch(image, target), student, None, torch.Generator())["ce"].backward()
        gradients.append([student.heads[index].weight.grad.clone() for index in (1, 0)])

    torch.testing.assert_close(gradients[0][0], gradients[1][0])
    assert not torch.allclose(gradients[0][1], gradients[1][1])


@pytest.mark.parametrize("name", ["dft", "ssul"])
def test_an_interrupted_step_ends_with_the_weights_of_one_that_was_not(name: str, tmp_path: Path) -> None:
    def kill(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    _, whole = trained(build(name), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(build(name), tmp_path / "killed", kill)
    options = TrainerOptions(channels_last=False, max_epochs=2, resume=True)
    _, resumed = trained(build(name), tmp_path / "killed", options=options)

    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["ssul", "segacil"])
def test_a_sealed_step_opens_with_what_its_method_has_added(name: str, tmp_path: Path) -> None:
    about = info(0, method=name)
    options: dict[str, object] = {"width": 9} if name == "segacil" else {}
    method = build(name, about.task, **options)
    torch.manual_seed(0)
    student = Segmenter(about.model, 3, about.task.head_sizes, 64).eval()
    image = torch.randn(2, 3, 32, 32)
    batch = Batch(image, torch.randint(3, (2, 32, 32)))
    method.grow(student, None, [batch])
    method.consolidate(student, None, [batch])

    save_model(tmp_path / "model.safetensors", student.state_dict(), about)
    opened, _ = load_model(tmp_path / "model.safetensors")
    torch.testing.assert_close(opened.eval()(image), student(image), rtol=0, atol=0)

    opened.grow(1)
    grown = method.decode(opened(image))
    assert grown.shape == (2, 4, 32, 32)
    torch.testing.assert_close(grown.sum(1), torch.ones(2, 32, 32))
