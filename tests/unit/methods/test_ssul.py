"""SSUL: labels, rows and probabilities with a class for the unknown."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from saticl.geo.windows import Window
from saticl.labels import IGNORE
from saticl.losses import class_bce
from saticl.methods.criterion import build_criterion
from saticl.methods.options import SSULOptions
from saticl.methods.rotation import Rotated, draw_turn
from saticl.methods.ssul import SSUL
from saticl.models.teacher import Teacher
from saticl.options import AugOptions, CEOptions, KDOptions
from saticl.runs.memory import Kept
from saticl.tasks import Protocol, Task
from saticl.tiles.index import Tile
from saticl.types import Batch, Output
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a", "b"), ("c",), ("d",))), 1)
UNKNOWN = TASK.num_seen


def ssul(task: Task = TASK, **options: object) -> SSUL:
    return SSUL(task, build_criterion(CEOptions()), KDOptions(), SSULOptions.model_validate(options))


def output(logits: Tensor) -> Output:
    return Output(logits, (), logits, logits)


def student_at(task: Task = TASK) -> tuple[ToySegmenter, Teacher]:
    torch.manual_seed(0)
    before = task.at(task.step - 1)
    student = ToySegmenter(before.head_sizes)
    SSUL.rebuild(student, before)
    teacher = Teacher(student)  # type: ignore[arg-type]
    student.grow(task.num_new)
    return student, teacher


def supervised(method: SSUL, target: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
    """The term, and the scores that it was taken of."""
    logits = torch.randn(1, UNKNOWN + 1, *target.shape[1:], generator=torch.Generator().manual_seed(3))
    return method.supervision(output(logits), old, target)["ce"], logits


def test_all_background_is_unknown_and_nothing_else() -> None:
    target = torch.tensor([[[0, 1, 3, IGNORE]]])

    mapped = ssul().target_of(Batch(torch.zeros(1, 3, 1, 4), target))

    assert mapped.tolist() == [[[UNKNOWN, 1, 3, IGNORE]]]
    assert target.tolist() == [[[0, 1, 3, IGNORE]]]


def test_with_saliency_only_background_that_stands_out_is_unknown() -> None:
    method = ssul(unknown="salient")
    maps = {"saliency": torch.tensor([[[0, 7, 7, 7]]], dtype=torch.uint8)}

    mapped = method.target_of(Batch(torch.zeros(1, 3, 1, 4), torch.tensor([[[0, 0, 3, IGNORE]]]), maps))

    assert mapped.tolist() == [[[0, UNKNOWN, 3, IGNORE]]]
    assert method.maps == Rotated(method, AugOptions(factor=0.1)).maps == ("saliency",)
    assert ssul().maps == ()


def test_the_unknown_of_the_map_turns_with_the_image() -> None:
    torch.manual_seed(0)
    method, (student, teacher) = ssul(unknown="salient"), student_at()
    student.eval()
    maps = {"saliency": torch.randint(2, (2, 8, 8))}
    batch = Batch(torch.randn(2, 3, 8, 8), torch.tensor([0, 3])[torch.randint(2, (2, 8, 8))], maps)
    aug = AugOptions(factor=0.1)
    turn = draw_turn(aug, torch.Generator().manual_seed(5))

    terms = Rotated(method, aug).terms(batch, student, teacher, torch.Generator().manual_seed(5))  # type: ignore[arg-type]

    marked, old = method.target_of(batch), teacher(batch.image).logits
    both = student(torch.cat([batch.image, turn(batch.image)]))
    targets = torch.cat([marked, turn.mask(marked)])
    expected = method.supervision(both, torch.cat([old, turn(old)]), targets)["ce"]
    torch.testing.assert_close(terms["ce"], expected)


@pytest.mark.parametrize(
    ("scores", "label", "becomes"),
    [
        ([-3.0, 1.0, -3.0, -3.0], 0, 1),  # σ(1) = 0.73
        ([-3.0, 0.8, -3.0, -3.0], 0, 0),  # σ(0.8) = 0.69
        ([-3.0, 0.8, -3.0, -3.0], UNKNOWN, UNKNOWN),
        ([-3.0, -3.0, 4.0, -3.0], UNKNOWN, 2),
        ([5.0, 4.0, -3.0, -3.0], UNKNOWN, UNKNOWN),  # the teacher says background
        ([-3.0, 4.0, -3.0, 5.0], 0, 0),  # the teacher says unknown
        ([-3.0, 4.0, -3.0, -3.0], 3, 3),
        ([-3.0, 4.0, -3.0, -3.0], 2, 2),  # an old class that is labelled
        ([-3.0, 4.0, -3.0, -3.0], IGNORE, IGNORE),
    ],
)
def test_the_teacher_labels_background_and_unknown_where_it_is_sure(
    scores: list[float], label: int, becomes: int
) -> None:
    filler = torch.tensor([[[-9.0, -9.0, -9.0, -9.0]]]).permute(2, 0, 1)[None]
    old = torch.cat([torch.tensor(scores).view(1, 4, 1, 1), filler], dim=3)

    found, logits = supervised(ssul(), torch.tensor([[[label, 3]]]), old)

    torch.testing.assert_close(found, class_bce(logits, torch.tensor([[[becomes, 3]]]), range(logits.shape[1])))


def test_the_confidence_is_an_option() -> None:
    old = torch.tensor([-3.0, 1.0, -3.0, -3.0]).view(1, 4, 1, 1)

    found, logits = supervised(ssul(confidence=0.75), torch.zeros(1, 1, 1, dtype=torch.long), old)

    nothing = torch.zeros(1, 1, 1, dtype=torch.long)
    torch.testing.assert_close(found, class_bce(logits, nothing, range(logits.shape[1])))


def test_new_rows_start_as_the_unknowns_and_the_unknown_is_there_once() -> None:
    task = Task(("a", "b", "c"), Protocol("toy", (("a",), ("b", "c"))), 1)
    student, teacher = student_at(task)
    ssul(task).grow(student, teacher, [])

    (unknown,) = student.classifier.further
    for row in range(2):
        assert torch.equal(student.heads[1].weight[row], unknown.weight[0])
        assert torch.equal(student.heads[1].bias[row], unknown.bias[0])
    logits = student(torch.randn(1, 3, 8, 8)).logits
    assert logits.shape[1] == task.num_seen + 1
    torch.testing.assert_close(logits[:, -1], logits[:, -2])
    assert student.num_classes == task.num_seen


def test_the_unknown_learns_as_new_rows_do_and_the_background_hardly() -> None:
    (phase,) = ssul().phases()

    rates = [
        phase.rate(f"student.{name}")
        for name in (
            "classifier.further.0.weight",
            "classifier.heads.1.bias",
            "classifier.heads.0.weight",
            "body.encoder.weight",
        )
    ]
    assert rates == [1.0, 1.0, 1e-4, 0.0]


def test_rows_of_old_classes_count_in_no_norm_of_gradients_and_do_not_decay() -> None:
    method, (student, teacher) = ssul(), student_at()
    method.grow(student, teacher, [])
    rows = student.heads[0].weight[1:].clone()
    batch = Batch(torch.randn(2, 3, 8, 8), torch.zeros(2, 8, 8, dtype=torch.long))

    method.terms(batch, student, teacher, torch.Generator())["ce"].backward()
    method.after_backward(student)
    gradient = student.heads[0].weight.grad
    with torch.no_grad():
        student.heads[0].weight.mul_(0.5)
    background = student.heads[0].weight[0].clone()
    method.after_step(student)

    assert gradient[1:].abs().sum() == 0
    assert gradient[0].abs().sum() > 0
    assert torch.equal(student.heads[0].weight[1:], rows)
    assert torch.equal(student.heads[0].weight[0], background)


@given(st.lists(st.floats(-200, 200), min_size=3, max_size=6))
def test_probabilities_are_sigmoids_with_the_unknown_in_the_background(scores: list[float]) -> None:
    logits = torch.tensor(scores).view(1, -1, 1, 1)

    decoded = SSUL.decode(output(logits)).flatten()

    chances = torch.tensor(scores, dtype=torch.float64).sigmoid()
    merged = torch.cat([chances[:1] + chances[-1:], chances[1:-1]])
    expected = merged / merged.sum() if merged.sum() > 1e-80 else None
    assert len(decoded) == len(scores) - 1
    assert decoded.sum().item() == pytest.approx(1, abs=1e-5)
    if expected is not None:
        torch.testing.assert_close(decoded.double(), expected, rtol=1e-3, atol=1e-5)


def test_background_and_unknown_together_win_where_neither_does_alone() -> None:
    scores = torch.tensor([0.2, 0.4, -2.0, 0.3]).view(1, 4, 1, 1)

    assert SSUL.classes(output(scores)).item() == 0
    assert SSUL.classes(output(scores - torch.tensor([0, 0, 0, 9.0]).view(1, 4, 1, 1))).item() == 1


def tile(name: str, counts: Sequence[int]) -> Tile:
    window = Window(0, 0, 8, 8)
    return Tile(name, "s", "s", "train", window, window, name, name, None, tuple(counts), 0)


def test_the_memory_is_as_large_as_the_option_says() -> None:
    tiles = [tile(str(number), (0, 0, 1, 0)) for number in range(5)]
    known = [Kept(tile="x", step=0), Kept(tile="y", step=0)]

    assert list(ssul().remember(known, tiles)) == []
    kept = ssul(memory=3).remember(known, tiles)
    assert [entry.step for entry in kept] == [0, 0, 1]
