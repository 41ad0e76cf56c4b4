"""STAR: what a step lacks, what is replayed in its place, and what is kept."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.errors import InvalidCheckpoint
from saticl.labels import IGNORE
from saticl.losses import absence, centre_repulsion, class_bce, nearest_labels
from saticl.methods.criterion import build_criterion
from saticl.methods.options import STAROptions
from saticl.methods.prototypes import Prototypes
from saticl.methods.star import STAR, among_their_like
from saticl.models.classifier import Classifier
from saticl.models.teacher import Teacher
from saticl.options import CEOptions, KDOptions, ModelOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a", "b"), ("c", "d"))), 1)
OPTIONS = STAROptions(features_factor=7.0, contrast_factor=0.3, pos_weight=3.0, replayed=6)


def known(count: tuple[float, float, float] = (400.0, 300.0, 200.0)) -> Prototypes:
    random = torch.Generator().manual_seed(5)
    direction = F.normalize(torch.randn(3, 5, generator=random), dim=1)
    return Prototypes(direction, torch.full((3, 5), 0.1), torch.full((3,), 2.0), torch.ones(3), torch.tensor(count))


def build(step: int = 1, count: tuple[float, float, float] = (400.0, 300.0, 200.0)) -> STAR:
    method = STAR(TASK.at(step), build_criterion(CEOptions()), KDOptions(), OPTIONS)
    if step:
        method.import_state({f"star.{name}": tensor for name, tensor in known(count).state.items()})
    return method


def networks(step: int = 1) -> tuple[ToySegmenter, Teacher | None]:
    torch.manual_seed(0)
    student = ToySegmenter(TASK.at(0).head_sizes)
    if step == 0:
        return student, None
    teacher = Teacher(student)  # type: ignore[arg-type]
    student.grow(TASK.num_new)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return student, teacher


def batch(step: int = 1) -> Batch:
    torch.manual_seed(1)
    task = TASK.at(step)
    labels = torch.tensor([0, 0, *range(task.num_old, task.num_seen), IGNORE])
    return Batch(torch.randn(2, 3, 16, 16), labels[torch.randint(len(labels), (2, 16, 16))])


def called(scores: Tensor) -> Tensor:
    """The class of a pixel by its sigmoids."""
    probabilities = scores[:, 1:].sigmoid()
    return torch.where(probabilities.amax(1) > 0.5, probabilities.argmax(1) + 1, 0)


def test_a_first_step_is_bce_of_all_classes_alone() -> None:
    student, _ = networks(0)

    found = build(0).terms(batch(0), student, None, torch.Generator())

    expected = class_bce(student(batch(0).image).logits[:, 1:], batch(0).target, (1, 2), 3.0)
    torch.testing.assert_close(found, {"ce": expected})


def test_what_a_step_lacks_is_counted_over_its_tiles() -> None:
    student, teacher = networks()
    method, batches = build(count=(400.0, 60.0, 1.0)), [batch(), batch()._replace(image=batch().image.flip(0))]

    method.begin(student, teacher, batches)

    places = [(nearest_labels(one.target, torch.Size((8, 8))), called(teacher(one.image).coarse)) for one in batches]
    labelled = sum(int((labels != IGNORE).sum()) for labels, _ in places)
    of = [sum(int(((labels == 0) & (said == index)).sum()) for labels, said in places) for index in range(3)]
    assert of[0] > 0
    assert of[2] > 1
    expected = [(400 - of[0]) / labelled, max(60 - of[1], 0) / labelled, 0.0]
    assert method.lacking.tolist() == pytest.approx(expected)


def test_labels_of_old_classes_count_as_places_that_are_there() -> None:
    student, teacher = networks()
    method = build()
    labels = torch.full((2, 16, 16), 1)

    method.begin(student, teacher, [Batch(batch().image, labels)])

    assert method.lacking.tolist() == pytest.approx([400 / 128, (300 - 128) / 128, 200 / 128])


def test_real_background_and_invented_features_are_averaged_by_how_many_they_stand_for() -> None:
    student, teacher = networks()
    method = build()
    method.lacking = torch.tensor([0.5, 2.0, 0.25])

    found = method.terms(batch(), student, teacher, torch.Generator().manual_seed(3))

    logits, old = student(batch().image).logits, teacher(batch().image).logits
    background = (batch().target == 0) & (called(old) == 0)
    drawn = known().rows(slice(1, None)).draw(6, torch.Generator().manual_seed(3))
    head = student.heads[-1]
    refused = F.softplus(drawn @ head.weight[:, :, 0, 0].T + head.bias).sum(2).mean(1)
    total = 1 + 0.5 + 2.0 + 0.25
    torch.testing.assert_close(found["ce"], class_bce(logits[:, 3:], batch().target, (3, 4), 3.0) / total)
    torch.testing.assert_close(found["background"], 0.5 * absence(logits[:, 3:], background) / total)
    torch.testing.assert_close(found["replay"], (2.0 * refused[0] + 0.25 * refused[1]) / total)


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_invented_features_are_scored_as_a_region_of_them(kernel: int) -> None:
    torch.manual_seed(0)
    (head,) = Classifier(ModelOptions(), 5, (4,), kernel).heads
    features = torch.randn(6, 5)

    found = among_their_like(head, features)

    region = head(features[..., None, None].expand(-1, -1, 8, 8))[..., 2:4, 2:4]
    torch.testing.assert_close(found.expand_as(region) if kernel != 2 else found[..., :2, :2], region)


def test_features_are_kept_where_the_previous_model_sees_a_class_in_the_background() -> None:
    student, teacher = networks()
    new, old = student(batch().image), teacher(batch().image)

    found = build().terms(batch(), student, teacher, torch.Generator())["features"]

    labels = nearest_labels(batch().target, torch.Size((8, 8)))
    region = (labels == 0) & (called(old.coarse) > 0)
    assert 0 < region.sum() < region.numel()
    difference = (new.pixels - old.pixels).movedim(1, -1)[region]
    torch.testing.assert_close(found, 7 * difference.square().mean())


def test_new_classes_keep_away_from_old_ones_that_were_seen() -> None:
    student, teacher = networks()
    new, labels = student(batch().image), nearest_labels(batch().target, torch.Size((8, 8)))
    features = new.pixels.movedim(1, -1).flatten(0, -2)

    both = build().terms(batch(), student, teacher, torch.Generator())["contrast"]
    second = build(count=(400.0, 0.0, 200.0)).terms(batch(), student, teacher, torch.Generator())["contrast"]
    neither = build(count=(400.0, 0.0, 0.0)).terms(batch(), student, teacher, torch.Generator())["contrast"]

    directions = known().direction
    torch.testing.assert_close(both, 0.3 * centre_repulsion(features, labels.flatten(), (3, 4), directions[1:]))
    torch.testing.assert_close(second, 0.3 * centre_repulsion(features, labels.flatten(), (3, 4), directions[2:]))
    assert neither.item() == 0


def test_nothing_to_replay_and_no_region_cost_nothing() -> None:
    student, teacher = networks()
    full = Batch(batch().image, torch.full((2, 16, 16), 3))

    found = build().terms(full, student, teacher, torch.Generator())

    assert [found[name].item() for name in ("background", "replay", "features")] == [0, 0, 0]


def test_old_rows_rest() -> None:
    student, teacher = networks()
    method = build()
    method.grow(student, teacher, [])

    sum(method.terms(batch(), student, teacher, torch.Generator()).values()).backward()

    assert student.heads[0].weight.grad is None
    assert student.heads[1].weight.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in student.parameters() if parameter.requires_grad)


def test_after_a_step_prototypes_of_its_classes_come_to_those_known() -> None:
    student, teacher = networks()
    student.classifier.dropout = torch.nn.Dropout(0.5)
    student.train()
    method = build()

    method.consolidate(student, teacher, [batch(), batch()])

    assert student.training
    state = method.export_state()
    labels = nearest_labels(batch().target, torch.Size((8, 8)))
    assert state["star.count"].tolist() == [400, 300, 200, *(2 * int((labels == k).sum()) for k in (3, 4))]
    torch.testing.assert_close(state["star.direction"][:3], known().direction)
    units = F.normalize(student(batch().image).pixels.movedim(1, -1)[labels == 4], dim=1)
    torch.testing.assert_close(state["star.direction"][4], F.normalize(units.mean(0), dim=0))
    again = build()
    again.import_state(state)
    torch.testing.assert_close(again.export_state(), state)


def test_a_first_step_counts_the_background_too() -> None:
    student, _ = networks(0)
    method = build(0)
    assert method.export_state() == {}

    method.consolidate(student, None, [batch(0)])

    labels = nearest_labels(batch(0).target, torch.Size((8, 8)))
    assert method.export_state()["star.count"].tolist() == [int((labels == k).sum()) for k in range(3)]


def test_a_step_of_places_is_plain_and_passes_on_what_it_got() -> None:
    places = Task(("a", "b"), Protocol("moving", (("a", "b"), ()), places=(("x",), ("y",))), 1)
    student, teacher = networks()[0], networks()[1]
    plain = networks(0)[0]
    method = STAR(places, build_criterion(CEOptions()), KDOptions(), OPTIONS)
    method.import_state({f"star.{name}": tensor for name, tensor in known().state.items()})

    method.grow(student, teacher, [])
    method.begin(plain, teacher, [batch(0)])
    found = method.terms(batch(0), plain, teacher, torch.Generator())
    method.consolidate(plain, teacher, [batch(0)])

    torch.testing.assert_close(found, build(0).terms(batch(0), networks(0)[0], None, torch.Generator()))
    assert all(parameter.requires_grad for parameter in student.parameters())
    assert method.running_state() == {}
    torch.testing.assert_close(method.export_state()["star.count"], known().count)


def test_an_interrupted_step_goes_on_with_what_was_lacking() -> None:
    method, resumed = build(), build()
    method.begin(*networks(), [batch()])

    resumed.resume_state(method.running_state())

    assert resumed.lacking.tolist() == method.lacking.tolist() != [0, 0, 0]
    with pytest.raises(InvalidCheckpoint, match="was not trained with STAR: its state holds plop"):
        resumed.resume_state({"plop.thresholds": torch.zeros(1)})


@pytest.mark.parametrize("state", [{}, {"ewc.fisher": torch.zeros(1)}, {"star.count": torch.zeros(1)}])
def test_a_step_of_another_method_is_refused(state: dict[str, Tensor]) -> None:
    said = f"holds {', '.join(state) or 'no state'} in place of star's prototypes: it was trained with another method"

    with pytest.raises(InvalidCheckpoint, match=re.escape(said)):
        STAR(TASK, build_criterion(CEOptions()), KDOptions(), OPTIONS).import_state(state)
