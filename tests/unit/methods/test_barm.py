"""BARM: its terms, its classifier, and what moves how fast."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.errors import InvalidCheckpoint
from saticl.labels import IGNORE
from saticl.losses import class_bce, nearest_labels
from saticl.methods.barm import BARM, ears
from saticl.methods.criterion import build_criterion
from saticl.methods.options import BARMOptions
from saticl.models.ears import EarClassifier
from saticl.models.teacher import Teacher
from saticl.options import CEOptions, KDOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch
from tests.reference.sigmoid import binary
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a", "b"), ("c",), ("d",))), 2)
PLACES = Task(("a", "b"), Protocol("moving", (("a",), ("b",), ()), places=(("x",), ("y",), ("z",))), 2)
OPTIONS = BARMOptions(confidence=0.55, residual_factor=3.0, absence_factor=0.7, features_factor=13.0, old_rate=0.25)


def build(task: Task = TASK, options: BARMOptions = OPTIONS) -> BARM:
    return BARM(task, build_criterion(CEOptions()), KDOptions(decoder_factor=11.0), options)


def networks(task: Task = TASK) -> tuple[ToySegmenter, Teacher | None]:
    torch.manual_seed(0)
    before = task.at(max(task.step - 1, 0))
    student, teacher = ToySegmenter(before.head_sizes), None
    if task.step > 0:
        BARM.rebuild(student, before)
        with torch.no_grad():
            student.classifier.heads[0].bias[1:] += 0.5
        teacher = Teacher(student)  # type: ignore[arg-type]
        student.grow(task.num_new)
        with torch.no_grad():
            for parameter in student.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
    build(task).grow(student, teacher, [])
    resting(build(task), student)
    return student, teacher


def resting(method: BARM, student: ToySegmenter) -> None:
    """As the engine enters an epoch."""
    student.train()
    for part in method.resting(student):
        part.eval()


def batch(task: Task = TASK) -> Batch:
    torch.manual_seed(1)
    labels = torch.tensor([0, 0, *range(task.num_old, task.num_seen), IGNORE])
    return Batch(torch.randn(2, 3, 8, 8), labels[torch.randint(len(labels), (2, 8, 8))])


def terms(options: BARMOptions = OPTIONS) -> dict[str, Tensor]:
    return build(options=options).terms(batch(), *networks(), torch.Generator())


def test_a_first_step_gets_an_ear_and_bce_of_all_classes() -> None:
    first = TASK.at(0)
    student, _ = networks(first)
    assert isinstance(student.classifier, EarClassifier)
    assert student.classifier.current == 0
    student.eval()

    found = build(first).terms(batch(first), student, None, torch.Generator())

    logits = student(batch(first).image).logits
    torch.testing.assert_close(found, {"ce": class_bce(logits, batch(first).target, (0, 1, 2))})


def test_background_is_an_old_class_where_the_teacher_is_sure() -> None:
    sure, unsure = torch.tensor([[0.21, -1.0], [0.2, 3.0]]).unbind()  # sigmoids 0.5523 and 0.5498
    background = torch.tensor([0.1, 0.1])
    old = torch.stack([background, torch.stack([sure[0], unsure[0]]), torch.tensor([-1.0, -1.0])]).view(1, 3, 1, 2)
    target = torch.tensor([[[0, 0]]])

    assert build().labels(old, target).tolist() == [[[1, 0]]]
    assert build().labels(old, torch.tensor([[[3, IGNORE]]])).tolist() == [[[3, IGNORE]]]
    assert build().labels(old[:, [1, 0, 2]], target).tolist() == [[[0, 0]]]  # background is the largest
    huge = torch.tensor([40.0, 41.0, 39.0]).view(1, 3, 1, 1)  # sigmoids that cannot be told apart
    assert build().labels(huge, target[..., :1]).tolist() == [[[1]]]
    edge = BARMOptions(confidence=0.5)
    assert build(options=edge).labels(torch.tensor([-1.0, 0.0]).view(1, 2, 1, 1), target[..., :1]).item() == 1


def test_labels_teach_the_background_and_the_new_classes() -> None:
    student, teacher = networks()
    logits, old = student(batch().image).logits, teacher(batch().image).logits
    labels = build().labels(old, batch().target)
    assert ((labels > 0) & (labels < 4)).any()

    expected = class_bce(logits[:, [0, 4]], labels, (0, 4))

    torch.testing.assert_close(terms()["ce"], expected)


def test_old_scores_and_earlier_residuals_have_no_gradient_from_labels() -> None:
    student, teacher = networks()

    build().terms(batch(), student, teacher, torch.Generator())["ce"].backward()

    assert [head.weight.grad.abs().sum().item() for head in student.heads[:-1]] == [0, 0]
    assert (student.heads[-1].weight.grad.abs().sum((1, 2, 3)) > 0).all()


def test_features_of_earlier_ears_stay_in_the_background() -> None:
    student, teacher = networks()
    new, old = student(batch().image).pixels, teacher(batch().image).pixels
    mask = nearest_labels(batch().target, new.shape[-2:]) == 0
    assert mask.any()
    assert not mask.all()

    distances = []
    for index in range(2):
        e, e_old = ears(student).ears[index](new), ears(teacher.segmenter).ears[index](old)
        distances.append((e - e_old).square().sum(1)[mask].sum() / e.numel())

    torch.testing.assert_close(terms()["features"], 13 * sum(distances))


def test_outputs_of_earlier_heads_stay_residuals_among_them() -> None:
    student, teacher = networks()
    pixels, old_pixels = student(batch().image).pixels, teacher(batch().image).pixels

    expected = 0.0
    for index in range(2):
        h = student.heads[index](ears(student).ears[index](pixels))
        old = teacher.segmenter.heads[index](ears(teacher.segmenter).ears[index](old_pixels)).sigmoid()
        values = [binary(z, p) for z, p in zip(h.flatten().tolist(), old.flatten().tolist(), strict=True)]
        expected += sum(values) / len(values) * h.shape[1]

    assert terms()["kd"].item() == pytest.approx(11 * expected, rel=1e-5)


def test_the_new_residual_is_background_there_and_denies_it_on_new_classes() -> None:
    student, _ = networks()
    pixels = student(batch().image).pixels
    small = student.heads[-1](ears(student).ears[-1](pixels))[:, :1]
    residual = F.interpolate(small, (8, 8), mode="bilinear", align_corners=False)[:, 0]
    p, target = residual.sigmoid(), batch().target

    found = terms()

    margin = (1 - 2 * p[target == 0]).clamp(min=0).mean()
    torch.testing.assert_close(found["residual"], 3 * margin)
    torch.testing.assert_close(found["absence"], 0.7 * -(1 - p[target == 4]).log().mean())
    assert margin > 0


def test_every_weight_that_is_trained_has_a_gradient() -> None:
    student, teacher = networks()

    sum(build().terms(batch(), student, teacher, torch.Generator()).values()).backward()

    assert [name for name, parameter in student.named_parameters() if parameter.grad is None] == []


def test_statistics_and_dropout_rest_after_step_0_and_the_classifier_knows_that_it_is_trained() -> None:
    student, _ = networks()
    assert student.classifier.training
    assert not any(part.training for part in (student.body, *student.classifier.ears.modules()))
    assert not student.classifier.dropout.training

    assert not list(build(TASK.at(0)).resting(student))
    assert not list(build(PLACES).resting(student))


def test_later_steps_move_what_was_learned_slowly() -> None:
    (phase,) = build().phases()
    rates = {
        "student.body.encoder.weight": 0.25,
        "student.body.decoder.weight": 1.0,
        "student.classifier.ears.1.0.weight": 0.25,
        "student.classifier.heads.0.weight": 0.25,
        "student.classifier.ears.2.0.weight": 1.0,
        "student.classifier.heads.2.bias": 1.0,
    }

    assert {name: phase.rate(name) for name in rates} == rates
    for plain in (build(TASK.at(0)), build(PLACES)):
        assert [one.rate(name) for one in plain.phases() for name in rates] == [1.0] * len(rates)


def test_a_step_of_places_has_no_ear_of_its_own_and_detaches_nothing() -> None:
    student, teacher = networks(PLACES)
    student.eval()
    again = ToySegmenter(PLACES.head_sizes)
    BARM.rebuild(again, PLACES)
    again.load_state_dict(student.state_dict())

    found = build(PLACES).terms(batch(PLACES), student, teacher, torch.Generator())
    found["ce"].backward()

    assert ears(student).current is None
    assert set(found) == {"ce"}
    assert len(student.heads) == 2
    torch.testing.assert_close(again.eval()(batch().image), student(batch().image))
    assert all(parameter.grad is not None for parameter in student.parameters())


def test_a_network_without_ears_is_refused() -> None:
    student = ToySegmenter(TASK.head_sizes)

    with pytest.raises(
        InvalidCheckpoint, match=re.escape("has no ears: it was trained with another method than barm")
    ):
        build().grow(student, None, [])
