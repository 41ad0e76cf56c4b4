import contextlib
import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.engine import fit
from saticl.engine.checkpoint import load_tensors
from saticl.engine.learner import Learner, only_trained
from saticl.methods.criterion import build_criterion
from saticl.methods.mib import MiB
from saticl.methods.nest import Generated, NeST, agreement, starting_masks
from saticl.methods.options import NeSTOptions
from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import CEOptions, KDOptions, ModelOptions, TrainerOptions
from saticl.runs.journal import Epoch
from saticl.tasks import Protocol, Task
from saticl.types import Batch
from tests.steps import Batches, ignore, make_step
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a", "b"), ("c", "d"))), 1)
PLACES = Task(("a", "b"), Protocol("toy", (("a", "b"), ()), places=(("x",), ("y",))), 1)
seeds = given(st.integers(0, 10_000))


def method(task: Task = TASK) -> NeST:
    return NeST(task, build_criterion(CEOptions()), KDOptions(decoder_factor=2.0), NeSTOptions(epochs=2))


def networks(task: Task = TASK) -> tuple[ToySegmenter, Teacher]:
    torch.manual_seed(0)
    student = ToySegmenter(task.head_sizes[:1])
    student.body.decoder = nn.Sequential(nn.Conv2d(6, 5, 1), nn.BatchNorm2d(5))
    teacher = Teacher(student)  # type: ignore[arg-type]
    student.grow(task.num_new)
    return student, teacher


def images(labels: tuple[int, ...] = (0, 3, 4, 255)) -> list[Batch]:
    torch.manual_seed(3)
    drawn = torch.tensor(labels)[torch.randint(len(labels), (2, 2, 8, 8))]
    return [Batch(torch.randn(2, 3, 8, 8), target) for target in drawn]


def generated(seed: int, kernel: int = 1) -> Generated:
    torch.manual_seed(seed)
    built = Generated(torch.randn(3, 4, kernel, kernel), torch.randn(3), torch.rand(2, 3, 4, kernel, kernel))
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.rand_like(parameter))
    return built


def slow_agreement(batches: list[Batch], teacher: Teacher, rows: Tensor, label: int) -> Tensor:
    """S of one class, pixel by pixel; positions of the map are those of every second pixel."""
    sums, count = torch.zeros(rows.shape[:2]), 0
    for batch in batches:
        old = teacher(batch.image)
        for image in range(2):
            for row in range(4):
                for column in range(4):
                    if batch.target[image, 2 * row, 2 * column] != label:
                        continue
                    count += 1
                    probability = old.coarse[image, :, row, column].softmax(0)
                    for old_class in range(rows.shape[0]):
                        for channel in range(rows.shape[1]):
                            feature = old.pixels[image, channel, row, column]
                            if feature * rows[old_class, channel, 0, 0] > 0:
                                sums[old_class, channel] += probability[old_class]
    return sums / count


def test_rows_start_from_the_features_that_old_classes_and_new_pixels_share() -> None:
    (student, teacher), whole = networks(), method()
    old = student.heads[0].weight.detach().clone()

    whole.grow(student, teacher, images())

    made = whole.generated
    assert made is not None
    for place, label in enumerate((3, 4)):
        expected = slow_agreement(images(), teacher, old, label)
        assert_close(made.masks[place, :, :, 0, 0], expected)
        assert_close(made.mixtures[place], expected.sum(1).softmax(0))
    assert_close(made.bias, student.heads[0].bias[[0, 0]])
    assert_close(made.background, torch.ones_like(old[0]))


def test_a_class_that_no_tile_shows_starts_as_the_background() -> None:
    rows = torch.randn(3, 4, 1, 1)

    masks = starting_masks(rows, torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), torch.tensor([0.0, 5.0]))

    assert_close(masks[0, 0], torch.ones(4, 1, 1))
    assert masks[0, 1:].abs().sum() == 0
    assert masks[1].abs().sum() == 0


def test_features_and_weights_of_0_agree_with_nothing() -> None:
    features = torch.tensor([1.0, 0.0, -2.0]).view(1, 3, 1, 1)
    shows, scores = torch.ones(1, 1, 1, dtype=torch.bool), torch.zeros(1, 2, 1, 1)

    above, below = agreement(scores, features, shows), agreement(scores, -features, shows)
    masks = starting_masks(
        torch.tensor([[1.0, 1, -1], [0, -1, 1]])[..., None, None], above[None], below[None], torch.ones(1)
    )

    assert_close(masks[0, :, :, 0, 0], torch.tensor([[0.5, 0, 0.5], [0, 0, 0]]))


@seeds
def test_a_new_row_is_the_mixture_of_the_masked_old_ones(seed: int) -> None:
    made = generated(seed)

    rows, biases = made.classifier()

    for k in range(2):
        expected = sum(made.mixtures[k, c] * made.masks[k, c] * made.rows[c] for c in range(3))
        assert_close(rows[3 + k], expected)
    assert_close(rows[0], made.background * made.rows[0])
    assert_close(rows[1:3], made.rows[1:])
    assert_close(biases, torch.cat([made.biases, made.bias]))


@seeds
def test_settled_rows_are_as_long_as_old_ones_and_keep_their_directions(seed: int) -> None:
    made = generated(seed, kernel=3)

    (rows, biases), (plain, shifts) = made.settled(), made.classifier()

    def norms(tensor: Tensor) -> Tensor:
        return tensor.flatten(1).norm(dim=1)

    assert_close(norms(rows[3:]).mean(), norms(made.rows).mean())
    assert_close(norms(rows[:1]), norms(made.rows[:1]))
    assert_close(rows[1:3], made.rows[1:])
    assert_close(F.cosine_similarity(rows.flatten(1), plain.flatten(1)), torch.ones(5))
    assert_close(norms(rows[3:]) / norms(plain[3:]), (norms(rows[3:]) / norms(plain[3:]))[[0, 0]])
    assert_close(biases[3:].square().mean(), made.biases.square().mean())
    assert_close(biases[3:] / shifts[3:], (biases[3:] / shifts[3:])[[0, 0]])


def test_rows_and_biases_of_0_stay_finite() -> None:
    made = Generated(torch.zeros(2, 3, 1, 1), torch.zeros(2), torch.zeros(1, 2, 3, 1, 1))

    assert all(tensor.isfinite().all() for tensor in made.settled())


def test_the_first_phase_sees_generated_rows_and_no_distillation() -> None:
    (student, teacher), whole, batch = networks(), method(), images()[0]
    whole.grow(student, teacher, images())
    new, old = student(batch.image), teacher(batch.image)

    terms = whole.supervision(new, old.logits, batch.target)
    terms["ce"].backward()

    assert whole.generated is not None
    rows, biases = whole.generated.classifier()
    scores = F.interpolate(F.conv2d(new.pixels, rows, biases), (8, 8), mode="bilinear")
    assert_close(terms["ce"], whole.criterion(scores, batch.target, 3))
    assert not torch.allclose(terms["ce"], whole.criterion(new.logits, batch.target, 3))
    assert whole.distillation(new, old, batch.target) == {}
    assert list(whole.resting(student)) == [student]
    assert all(parameter.grad.abs().sum() > 0 for parameter in whole.generated.parameters())  # type: ignore[union-attr]


def test_the_second_phase_is_mib() -> None:
    (student, teacher), whole, batch = networks(), method(), images()[0]
    whole.grow(student, teacher, images())
    mib = MiB(TASK, whole.criterion, whole.kd)
    before = copy.deepcopy(student.state_dict())
    new, old = student(batch.image), teacher(batch.image)

    with only_trained(Learner(student, whole), whole.phases()[1]):
        terms = whole.supervision(new, old.logits, batch.target) | whole.distillation(new, old, batch.target)
        whole.after_step(student)
        assert list(whole.resting(student)) == []

    expected = mib.supervision(new, old.logits, batch.target) | mib.distillation(new, old, batch.target)
    assert_close(terms, expected)
    moved = {name for name, tensor in student.state_dict().items() if not torch.equal(tensor, before[name])}
    assert not any(name.startswith("classifier.") for name in moved)


@pytest.mark.parametrize("task", [TASK.at(0), PLACES], ids=["first", "places"])
def test_without_new_rows_to_make_the_step_has_one_phase(task: Task) -> None:
    student, teacher = networks(task)
    whole, before = method(task), copy.deepcopy(student.state_dict())

    whole.grow(student, None if task.step == 0 else teacher, images())

    assert [(phase.name, phase.max_epochs, dict(phase.rates)) for phase in whole.phases()] == [("train", None, {})]
    assert whole.generated is None
    assert all(parameter.requires_grad for parameter in student.parameters())
    assert_close(student.state_dict(), before, rtol=0, atol=0)


def test_the_first_phase_moves_rows_alone_and_the_second_starts_from_them(tmp_path: Path) -> None:
    (student, teacher), whole = networks(), method()
    before = copy.deepcopy(student.state_dict())
    step = make_step(tmp_path, whole, student=student, teacher=teacher, training=Batches(3, TASK))

    fit.fit(step, ignore)

    events = step.journal.epochs()
    assert [set(event.terms) for event in events] == [{"ce"}] * 2 + [{"ce", "kd"}] * 2
    tuned, trained = load_tensors(step.best(0)), load_tensors(step.best(1))
    made = Generated(*(tuned[f"method.generated.{name}"] for name in ("rows", "biases", "masks")))
    made.load_state_dict({name: tuned[f"method.generated.{name}"] for name in made.state_dict()})
    rows, biases = made.settled()
    assert_close(tuned["student.classifier.heads.1.weight"], rows[3:])
    assert_close(tuned["student.classifier.heads.1.bias"], biases[3:])
    assert_close(tuned["student.classifier.heads.0.weight"], rows[:3])
    moved = {name for name, tensor in before.items() if not torch.equal(tensor, tuned[f"student.{name}"])}
    assert moved == {"classifier.heads.0.weight", "classifier.heads.1.weight", "classifier.heads.1.bias"}
    for name in ("masks", "mixtures", "bias", "background"):
        assert_close(trained[f"method.generated.{name}"], tuned[f"method.generated.{name}"], rtol=0, atol=0)
    assert all(
        not torch.equal(trained[f"student.{name}"], tuned[f"student.{name}"])
        for name in before
        if name.endswith("weight")
    )
    assert whole.export_state() == {}


@pytest.mark.parametrize("decoder", ["unet", "unet-smp", "erfnet"])
def test_rows_of_all_kernels_are_tuned_and_written(decoder: str) -> None:
    torch.manual_seed(0)
    options = ModelOptions.model_validate({"encoder": "test_resnet", "decoder": decoder})
    student = Segmenter(options, 3, TASK.head_sizes[:1], 32)
    teacher, whole = Teacher(student), method()
    student.grow(2)
    batch = Batch(torch.randn(2, 3, 32, 32), torch.tensor([0, 3, 4])[torch.randint(3, (2, 32, 32))])

    whole.grow(student, teacher, [batch])
    new = student.eval()(batch.image)
    terms = whole.supervision(new, teacher(batch.image).logits, batch.target)
    terms["ce"].backward()

    assert whole.generated is not None
    assert student.body.kernel == {"unet": 1, "unet-smp": 3, "erfnet": 2}[decoder]
    assert (whole.generated.masks.grad.flatten(2).abs().sum(2) > 0).any(1).all()  # type: ignore[union-attr]
    rows, biases = whole.generated.settled()
    assert_close(torch.cat([head.weight for head in student.heads]), rows)
    assert_close(torch.cat([head.bias for head in student.heads]), biases)
    with torch.no_grad():
        plain, shifts = whole.generated.classifier()
        student.heads[-1].weight.copy_(plain[3:])
        student.heads[-1].bias.copy_(shifts[3:])
        assert_close(terms["ce"], whole.criterion(student(batch.image).logits, batch.target, 3))


@pytest.mark.parametrize("killed", [2, 3, 4])
def test_a_step_that_is_killed_in_any_phase_ends_with_the_same_weights(tmp_path: Path, killed: int) -> None:
    def kill(epoch: Epoch) -> None:
        if epoch.epoch == killed:
            raise KeyboardInterrupt

    ends = []
    for name in ("whole", "killed"):
        options = TrainerOptions(channels_last=False, max_epochs=2, resume=True)
        for report in (ignore,) if name == "whole" else (kill, ignore):
            student, teacher = networks()
            step = make_step(
                tmp_path / name, method(), student=student, teacher=teacher, training=Batches(3, TASK), options=options
            )
            with pytest.raises(KeyboardInterrupt) if report is kill else contextlib.nullcontext():
                fit.fit(step, report)
        ends.append(student.state_dict())

    assert_close(ends[1], ends[0], rtol=0, atol=0)
