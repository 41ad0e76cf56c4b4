"""REMINDER: where its prototypes come from, and what they are compared with."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.errors import InvalidCheckpoint
from saticl.labels import IGNORE
from saticl.losses import class_means, class_similarity, similarity_distillation
from saticl.methods.criterion import build_criterion
from saticl.methods.options import PLOPOptions, ReminderOptions
from saticl.methods.plop import PLOP
from saticl.methods.reminder import REMINDER, PublishedREMINDER
from saticl.models.teacher import Teacher
from saticl.options import CEOptions, KDOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch, Output
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a", "b"), ("c",), ("d",))), 1)
MOVING = Task(("a", "b"), Protocol("moving", (("a", "b"), ()), places=(("x",), ("y",))), 1)


def build(task: Task = TASK, **options: object) -> REMINDER:
    own = ReminderOptions.model_validate(options)
    return REMINDER(task, build_criterion(CEOptions()), KDOptions(decoder_factor=2.0), own)


def networks() -> tuple[ToySegmenter, Teacher]:
    torch.manual_seed(0)
    student, before = ToySegmenter(TASK.head_sizes), ToySegmenter((3,))
    with torch.no_grad():  # a teacher that says every class
        before.heads[0].weight.mul_(20)
        before.heads[0].bias.zero_()
    return student, Teacher(before)  # type: ignore[arg-type]


def batches() -> list[Batch]:
    torch.manual_seed(1)
    labels = torch.tensor([0, 0, 3, IGNORE])[torch.randint(4, (6, 8, 8))]
    return [Batch(torch.randn(2, 3, 8, 8), part) for part in labels.split(2)]


def everything(parts: list[Batch]) -> Batch:
    return Batch(torch.cat([part.image for part in parts]), torch.cat([part.target for part in parts]))


def test_the_step_ends_with_means_by_its_own_labels_and_else_by_the_teachers() -> None:
    student, teacher = networks()
    method = build()
    method.grow(student, teacher, [])

    method.consolidate(student, teacher, batches())

    whole = everything(batches())
    said = teacher(whole.image).logits.argmax(1)
    labels = torch.where(whole.target == 0, said, whole.target)[:, ::2, ::2]
    assert_close(method.pixel_means.means, class_means(student(whole.image).pixels, labels, 4))
    assert set(labels.unique().tolist()) == {0, 1, 2, 3, IGNORE}
    assert method.pixel_means.counts.sum() == (labels != IGNORE).sum()


def test_at_the_first_step_labels_are_all_there_is() -> None:
    method, student = build(TASK.at(0)), networks()[1].segmenter
    target = torch.randint(3, (2, 8, 8))
    batch = Batch(torch.randn(2, 3, 8, 8), target)
    method.grow(student, None, [])

    method.consolidate(student, None, [batch])

    assert_close(method.pixel_means.means, class_means(student(batch.image).pixels, target[:, ::2, ::2], 3))


def test_a_class_that_nobody_sees_keeps_the_mean_it_had() -> None:
    student, teacher = networks()
    with torch.no_grad():
        teacher.segmenter.heads[0].bias[1] -= 100  # type: ignore[operator]
    method = build()
    method.import_state(
        {"pixel_means.means": torch.arange(15.0).view(3, 5), "pixel_means.counts": torch.ones(3).long()}
    )
    method.grow(student, teacher, [])

    method.consolidate(student, teacher, batches())

    assert method.pixel_means.means[1].tolist() == [5, 6, 7, 8, 9]
    assert method.pixel_means.means[2].tolist() != [10, 11, 12, 13, 14]


def test_where_no_class_is_new_background_is_no_class_of_the_teacher() -> None:
    student = networks()[1].segmenter
    method, batch = build(MOVING), batches()[0]
    method.grow(student, None, [])

    assert method.all_labels(batch, networks()[1]) is batch.target


def test_means_are_counted_in_evaluation_mode_and_the_mode_comes_back() -> None:
    student, teacher = networks()
    student.body.decoder = nn.Sequential(nn.Conv2d(6, 5, 1), nn.BatchNorm2d(5), nn.Dropout(0.5))
    before = {name: tensor.clone() for name, tensor in student.named_buffers()}
    method = build()
    method.grow(student, teacher, [])
    student.train()

    method.consolidate(student, teacher, batches())

    assert student.training
    assert_close(dict(student.named_buffers()), before, rtol=0, atol=0)
    whole, student = everything(batches()), student.eval()
    labels = method.all_labels(whole, teacher)[:, ::2, ::2]
    assert_close(method.pixel_means.means, class_means(student(whole.image).pixels, labels, 4))


def inherited(**options: object) -> tuple[REMINDER, Tensor]:
    torch.manual_seed(2)
    method, prototypes = build(**options), torch.randn(3, 5)
    method.import_state({"pixel_means.means": prototypes, "pixel_means.counts": torch.tensor([4, 5, 6])})
    return method, prototypes


@pytest.mark.parametrize(("temperature", "threshold"), [(3.0, 1.0), (2.0, 0.0)])
def test_new_pixels_are_distilled_by_the_similarity_of_their_class_in_the_teachers_eyes(
    temperature: float, threshold: float
) -> None:
    method, prototypes = inherited(temperature=temperature, threshold=threshold)
    (student, teacher), batch = networks(), batches()[0]
    new, old = student(batch.image), teacher(batch.image)

    terms = method.distillation(new, old, batch.target)

    of_new = class_means(old.pixels, batch.target[:, ::2, ::2], 4)[3:]
    similarity = class_similarity(of_new, prototypes, torch.tensor([True, True, True]), threshold)
    want = similarity_distillation(new.logits, old.logits, batch.target, similarity, temperature)
    assert want > 0
    assert_close(terms["kd"], 2 * want)
    plop = PLOP(TASK, build_criterion(CEOptions()), KDOptions(), PLOPOptions())
    assert_close(terms["pod"], plop.pod(new, old))


def test_batches_without_a_new_class_and_steps_without_one_distil_no_scores() -> None:
    method, _ = inherited()
    (student, teacher), batch = networks(), batches()[0]
    new, old = student(batch.image), teacher(batch.image)
    hidden = torch.zeros_like(batch.target)

    assert method.distillation(new, old, hidden)["kd"] == 0
    kept = Output(old.logits, old.stages, old.pixels, old.coarse)
    assert set(build(MOVING).distillation(kept, old, hidden)) == {"pod"}


def test_a_new_class_whose_pixels_lie_between_positions_is_like_no_old_one() -> None:
    method, _ = inherited()
    (student, teacher), batch = networks(), batches()[0]
    new, old = student(batch.image), teacher(batch.image)
    target = torch.zeros_like(batch.target)
    target[:, 1::2, 1::2] = 3

    assert method.distillation(new, old, target)["kd"] == 0


def test_the_first_step_of_another_method_is_refused() -> None:
    with pytest.raises(InvalidCheckpoint, match="--method reminder"):
        build().import_state({})


def test_the_published_variant_is_that_of_plop() -> None:
    assert PublishedREMINDER.num_bins == 100
