"""SegACIL: heads that are solved for."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from saticl.errors import InvalidCheckpoint
from saticl.labels import IGNORE
from saticl.methods.criterion import build_criterion
from saticl.methods.options import SegACILOptions
from saticl.methods.ridge import Sums
from saticl.methods.segacil import KEYS, SegACIL, nearest_probabilities
from saticl.models import random_features
from saticl.models.random_features import RandomFeatures
from saticl.options import CEOptions, KDOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch, Output
from tests.reference import frozen as reference
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c"), Protocol("toy", (("a",), ("b", "c"))), 1)
WIDTH = 12


def segacil(step: int, task: Task = TASK, **options: object) -> SegACIL:
    own = SegACILOptions.model_validate({"width": WIDTH, **options})
    return SegACIL(task.at(step), build_criterion(CEOptions()), KDOptions(), own)


def batches(seed: int, labels: Sequence[int], number: int = 2) -> list[Batch]:
    random = torch.Generator().manual_seed(seed)
    drawn = torch.tensor(labels)
    return [
        Batch(torch.randn(2, 3, 8, 8, generator=random), drawn[torch.randint(len(drawn), (2, 8, 8), generator=random)])
        for _ in range(number)
    ]


def toy(sizes: tuple[int, ...] = TASK.at(0).head_sizes) -> ToySegmenter:
    torch.manual_seed(0)
    return ToySegmenter(sizes, pointwise=True)


def solve_both(first: list[Batch], second: list[Batch], **options: object) -> tuple[ToySegmenter, SegACIL]:
    """A student after steps 0 and 1, and the method of the latter."""
    student, before = toy(), segacil(0, **options)
    before.consolidate(student, None, first)
    after = segacil(1, **options)
    after.import_state(before.export_state())
    student.grow(TASK.num_new)
    after.grow(student, None, [])
    assert list(after.phases()) == []
    after.consolidate(student, None, second)
    return student, after


def solved(student: ToySegmenter) -> Tensor:
    return torch.cat([head.weight for head in student.heads]).flatten(1)


@pytest.mark.parametrize("balanced", [False, True])
def test_with_complete_labels_two_steps_give_what_all_tiles_at_once_give(balanced: bool) -> None:
    first, second = batches(0, [1, IGNORE]), batches(1, [1, 2, 3, IGNORE])
    student, _ = solve_both(first, second, balanced=balanced)

    classifier = student.classifier
    assert isinstance(classifier, RandomFeatures)
    pixels = torch.cat([student(batch.image).pixels for batch in (*first, *second)]).movedim(1, -1).flatten(0, -2)
    labels = torch.cat([batch.target for batch in (*first, *second)]).flatten()
    seen = labels != IGNORE
    joint = Sums.of_nothing(WIDTH, 4, balanced, torch.device("cpu"))
    joint.add(classifier.features(pixels[seen].detach()), labels[seen])
    expected = joint.solve(1.0)
    assert_close(solved(student).double(), expected.T, rtol=1e-5, atol=1e-7)
    assert expected[:, 0].abs().sum() == 0  # no pixel was background
    assert expected[:, 1:].abs().amax(0).min() > 0
    assert all(head.bias.abs().sum() == 0 for head in student.heads)


def test_scores_of_the_student_are_those_of_the_solved_heads() -> None:
    student, _ = solve_both(batches(0, [0, 1]), batches(1, [0, 2, 3]))
    image = torch.randn(1, 3, 8, 8)

    said = student(image)

    classifier = student.classifier
    assert isinstance(classifier, RandomFeatures)
    features = classifier.features(said.pixels.detach().movedim(1, -1).flatten(0, -2))
    scores = said.coarse.movedim(1, -1).flatten(0, -2).double()
    assert_close(scores, features @ solved(student).T.double(), rtol=1e-4, atol=1e-5)


@given(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), st.integers(0, 20))
def test_background_of_later_steps_takes_the_old_class_of_a_large_score(confidence: float, seed: int) -> None:
    method, classifier = segacil(1, confidence=confidence), RandomFeatures(toy().classifier, WIDTH)
    classifier.grow(2)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for head in classifier.heads:
            head.weight.copy_(torch.randn(head.weight.shape, generator=random))
    features = torch.rand(30, WIDTH, generator=random, dtype=torch.float64)
    labels = torch.randint(0, 4, (30,), generator=random)

    found = method.labelled(labels, features, classifier)

    old = classifier.heads[0].weight.detach().flatten(1).double()
    for row, label, now in zip(features, labels.tolist(), found.tolist(), strict=True):
        scores = [float(row @ weights) for weights in old]
        sure = max(scores) >= confidence
        assert now == (scores.index(max(scores)) if label == 0 and sure else label)


def test_step_0_and_a_step_of_new_places_take_labels_as_they_are() -> None:
    moving = Task(("a",), Protocol("moving", (("a",), ()), places=(("x",), ("y",))), 1)
    classifier = RandomFeatures(toy().classifier, WIDTH)
    with torch.no_grad():
        classifier.heads[0].weight[1].fill_(1.0)
    features, labels = torch.ones(3, WIDTH, dtype=torch.float64), torch.tensor([0, 1, 0])

    for method in (segacil(0), segacil(0, moving), segacil(1, moving)):
        assert torch.equal(method.labelled(labels, features, classifier), labels)
    assert segacil(1, moving).phases() == ()


def test_step_0_is_trained_as_usual_and_its_body_stays_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    student = toy()
    body = {name: value.clone() for name, value in student.body.state_dict().items()}

    assert len(segacil(0).phases()) == 1
    solve_both(batches(0, [0, 1]), batches(1, [0, 2, 3]))

    assert_close(student.body.state_dict(), body, rtol=0, atol=0)


def test_statistics_do_not_move_and_the_student_is_left_in_its_mode() -> None:
    student = toy()
    student.body.decoder = torch.nn.Sequential(student.body.decoder, torch.nn.BatchNorm2d(5))  # type: ignore[assignment]

    segacil(0).consolidate(student.train(), None, batches(0, [0, 1]))

    assert student.body.decoder[1].num_batches_tracked == 0  # type: ignore[index]
    assert student.training
    assert student.classifier.training


@pytest.mark.parametrize(("side", "taken"), [(8, 64), (4, 16), (3, 9), (1, 1), (100, 64)])
def test_at_most_so_many_pixels_per_side_count(side: int, taken: int) -> None:
    method = segacil(0, side=side)

    method.consolidate(toy(), None, batches(0, [0, 1], number=3))

    assert method.sums is not None
    assert method.sums.counts.sum() == 3 * 2 * taken


def test_labels_are_those_at_the_place_of_a_pixel() -> None:
    target = torch.tensor([0, 1, IGNORE])[torch.randint(3, (1, 8, 8))]
    pixels = torch.randn(1, 5, 4, 4)

    taken, labels = segacil(0, side=2).samples(pixels, target)

    places = [(row, col) for row in (0, 2) for col in (0, 2) if target[0, 2 * row, 2 * col] != IGNORE]
    assert labels.tolist() == [int(target[0, 2 * row, 2 * col]) for row, col in places]
    expected = torch.stack([pixels[0, :, row, col] for row, col in places]) if places else torch.empty(0, 5)
    assert_close(taken, expected, rtol=0, atol=0)


def test_a_batch_is_summed_in_parts_that_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts, sizes = segacil(0), segacil(0), []
    whole.consolidate(toy(), None, batches(0, [0, 1]))
    plain = RandomFeatures.features

    def counted(self: RandomFeatures, pixels: Tensor) -> Tensor:
        sizes.append(len(pixels))
        return plain(self, pixels)

    monkeypatch.setattr(RandomFeatures, "features", counted)
    monkeypatch.setattr(random_features, "AT_ONCE", 10 * WIDTH)
    parts.consolidate(toy(), None, batches(0, [0, 1]))

    assert max(sizes) == 10
    assert_close(parts.export_state(), whole.export_state())


def test_sums_survive_the_disk_and_those_of_other_options_are_refused() -> None:
    first = segacil(0, width=9)
    first.consolidate(toy(), None, batches(0, [0, 1]))
    state = first.export_state()

    segacil(1, width=9).import_state(state)
    assert tuple(state) == KEYS
    with pytest.raises(InvalidCheckpoint, match=r"--segacil\.width 9 and --segacil\.balanced off"):
        segacil(1, width=10).import_state(state)
    with pytest.raises(InvalidCheckpoint, match="use the same for every step"):
        segacil(1, width=9, balanced=True).import_state(state)
    with pytest.raises(InvalidCheckpoint, match="left no sums for segacil"):
        segacil(1).import_state({})


def test_a_diverged_network_gives_weights_that_are_refused_when_they_are_sealed() -> None:
    student = toy()
    with torch.no_grad():
        student.body.decoder.weight.fill_(torch.nan)

    segacil(0).consolidate(student, None, batches(0, [0, 1]))

    assert student.heads[0].weight.isnan().all()


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6))
def test_probabilities_are_the_nearest_to_the_scores(scores: list[float]) -> None:
    found = nearest_probabilities(torch.tensor(scores, dtype=torch.float64).view(1, -1, 1, 1)).flatten()

    assert found.tolist() == pytest.approx(reference.nearest_probabilities(scores), abs=1e-9)
    assert found.sum().item() == pytest.approx(1)
    assert found[scores.index(max(scores))] == found.max()


def test_a_class_is_that_of_the_largest_score_and_of_the_largest_probability() -> None:
    scores = 2 * torch.randn(2, 5, 6, 7)
    output = Output(scores, (), scores, scores)

    assert torch.equal(SegACIL.classes(output), scores.argmax(1))
    assert torch.equal(SegACIL.decode(output).argmax(1), scores.argmax(1))
