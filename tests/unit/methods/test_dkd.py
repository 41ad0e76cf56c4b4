"""DKD: its terms, its auxiliary classifier, and what old rows say for and against."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.labels import IGNORE
from saticl.losses import class_bce, sigmoid_distillation
from saticl.methods.criterion import build_criterion
from saticl.methods.dkd import DKD, auxiliary, products
from saticl.methods.options import DKDOptions
from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import CEOptions, KDOptions, ModelOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a", "b"), ("c",), ("d",))), 1)
OPTIONS = DKDOptions(parts_factor=7.0, auxiliary_factor=0.5, pos_weight=3.0, later_pos_weight=2.0)


def build(step: int = 1) -> DKD:
    return DKD(TASK.at(step), build_criterion(CEOptions()), KDOptions(decoder_factor=11.0), OPTIONS)


def networks(step: int = 1) -> tuple[ToySegmenter, Teacher | None]:
    torch.manual_seed(0)
    student = ToySegmenter(TASK.head_sizes[:step] if step else TASK.at(0).head_sizes)
    if step == 0:
        return student, None
    teacher = Teacher(student)  # type: ignore[arg-type]
    student.grow(TASK.at(step).num_new)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return student, teacher


def batch(step: int = 1) -> Batch:
    torch.manual_seed(1)
    task = TASK.at(step)
    labels = torch.tensor([0, *range(task.num_old, task.num_seen), IGNORE])
    return Batch(torch.randn(2, 3, 8, 8), labels[torch.randint(len(labels), (2, 8, 8))])


def terms(step: int = 1) -> dict[str, Tensor]:
    return build(step).terms(batch(step), *networks(step), torch.Generator())


def test_a_first_step_learns_every_class_for_itself_and_what_is_none() -> None:
    student, _ = networks(0)
    seen = student(batch(0).image)

    found = terms(0)

    assert set(found) == {"ce", "auxiliary"}
    torch.testing.assert_close(found["ce"], class_bce(seen.logits[:, 1:], batch(0).target, (1, 2), 3.0))
    labelled = batch(0).target != IGNORE
    torch.testing.assert_close(found["auxiliary"], 0.5 * F.softplus(seen.logits[:, 0][labelled]).mean())


def test_a_later_step_labels_new_classes_alone_with_a_weight_of_its_own() -> None:
    student, _ = networks()
    logits = student(batch().image).logits

    assert terms().keys() == {"ce", "auxiliary", "kd", "positive", "negative"}
    torch.testing.assert_close(terms()["ce"], class_bce(logits[:, 3:], batch().target, (3,), 2.0))


def test_the_auxiliary_classifier_does_not_teach_the_features() -> None:
    student, teacher = networks()

    build().terms(batch(), student, teacher, torch.Generator())["auxiliary"].backward()

    assert student.body.decoder.weight.grad is None
    gradient = student.heads[0].weight.grad.abs().sum((1, 2, 3))
    assert gradient[0] > 0
    assert (gradient[1:] == 0).all()


def test_no_other_term_reaches_the_auxiliary_classifier() -> None:
    student, teacher = networks()

    found = build().terms(batch(), student, teacher, torch.Generator())
    sum(term for name, term in found.items() if name != "auxiliary").backward()

    gradient = student.heads[0].weight.grad.abs().sum((1, 2, 3))
    assert gradient[0] == 0
    assert (gradient[1:] > 0).all()


def test_old_scores_and_their_two_halves_are_distilled() -> None:
    student, teacher = networks()
    new, old = student(batch().image), teacher(batch().image)
    w, w_old = (network.heads[0].weight[1:, :, 0, 0] for network in (student, teacher.segmenter))
    found = terms()

    def halves(clamp: dict[str, float]) -> tuple[Tensor, Tensor]:
        ours = torch.einsum("kd,bdhw->bkhw", w.clamp(**clamp), new.pixels)
        theirs = torch.einsum("kd,bdhw->bkhw", w_old.clamp(**clamp), old.pixels)
        return ours, theirs

    torch.testing.assert_close(found["kd"], 11 * sigmoid_distillation(new.logits[:, 1:3], old.logits[:, 1:]))
    torch.testing.assert_close(found["positive"], 7 * sigmoid_distillation(*halves({"min": 0})))
    torch.testing.assert_close(found["negative"], 7 * sigmoid_distillation(*halves({"max": 0})))


def test_the_halves_of_all_heads_and_the_biases_are_the_scores() -> None:
    student, _ = networks(2)
    pixels = torch.randn(2, 5, 3, 3)
    biases = torch.cat([head.bias for head in student.heads])[1:].view(-1, 1, 1)

    whole = products(student, pixels, 1) + products(student, pixels, -1) + biases

    torch.testing.assert_close(whole, student.classify(pixels)[:, 1:])


def test_heads_that_make_four_pixels_of_one_have_halves_too() -> None:
    options = ModelOptions(encoder="erfnet", decoder="erfnet", dropout=0.0)
    network = Segmenter(options, 3, (3, 1)).eval()
    pixels = torch.randn(1, network.body.width, 4, 4)
    biases = torch.cat([head.bias for head in network.heads])[1:].view(-1, 1, 1)

    whole = products(network, pixels, 1) + products(network, pixels, -1) + biases

    torch.testing.assert_close(whole, network.classify(pixels)[:, 1:])
    torch.testing.assert_close(auxiliary(network, pixels), network.classify(pixels)[:, :1])


def test_new_rows_start_as_the_auxiliary_classifier() -> None:
    student, teacher = networks(2)
    old = [parameter.clone() for parameter in student.heads[0].parameters()]

    build(2).grow(student, teacher, [])

    for row in range(TASK.at(2).num_new):
        torch.testing.assert_close(student.heads[-1].weight[row], old[0][0], rtol=0, atol=0)
        torch.testing.assert_close(student.heads[-1].bias[row], old[1][0], rtol=0, atol=0)
    torch.testing.assert_close(list(student.heads[0].parameters()), old, rtol=0, atol=0)


@pytest.mark.parametrize("step", [0, 1])
def test_ignored_pixels_teach_nothing_by_labels(step: int) -> None:
    student, teacher = networks(step)
    image = batch(step).image
    ignored = Batch(image, torch.full((2, 8, 8), IGNORE))

    found = build(step).terms(ignored, student, teacher, torch.Generator())

    assert found["ce"].item() == found["auxiliary"].item() == 0


def test_a_step_of_places_is_a_first_step_of_all_classes() -> None:
    places = Task(("a", "b"), Protocol("moving", (("a", "b"), ()), places=(("x",), ("y",))), 1)
    student, _ = networks(0)
    teacher = Teacher(student)  # type: ignore[arg-type]
    method = DKD(places, build_criterion(CEOptions()), KDOptions(), OPTIONS)
    before = [parameter.clone() for parameter in student.parameters()]

    method.grow(student, teacher, [])
    found = method.terms(batch(0), student, teacher, torch.Generator())

    torch.testing.assert_close(found, terms(0))
    torch.testing.assert_close(list(student.parameters()), before, rtol=0, atol=0)
