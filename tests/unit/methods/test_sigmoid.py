"""What the sigmoids of classes mean together."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from saticl.methods import find
from saticl.methods.dkd import DKD
from saticl.methods.options import DKDOptions
from saticl.methods.sigmoid import PerClass
from saticl.options import KDOptions
from saticl.tasks import Protocol, Task
from saticl.types import Output
from tests.contract.test_methods import batch_of, grown, prepared, random_labels
from tests.strategies import normal, seeds

TASK = Task(("a", "b", "c"), Protocol("toy", (("a", "b"), ("c",), ()), places=(("x",), ("y",), ("z",))))


def output(logits: Tensor) -> Output:
    return Output(logits, (logits,), logits, logits)


@given(seeds, st.integers(2, 6), st.sampled_from([0.1, 3.0, 300.0]))
def test_a_pixel_is_the_likeliest_class_above_a_half_else_background(seed: int, classes: int, scale: float) -> None:
    logits = (scale * normal((2, classes, 3, 4), torch.Generator().manual_seed(seed))).float()

    found = PerClass.decode(output(logits))

    for place in [(b, slice(None), y, x) for b in range(2) for y in range(3) for x in range(4)]:
        scores = logits[place][1:]
        best = int(scores.argmax()) + 1 if (scores.double().sigmoid() > 0.5).any() else 0
        assert int(found[place].argmax()) == best
        assert int(PerClass.classes(output(logits))[place[0], place[2], place[3]]) == best
    torch.testing.assert_close(found.sum(1), torch.ones(2, 3, 4))
    assert (found >= 0).all()


def test_a_sigmoid_of_a_half_is_no_class_and_row_0_says_nothing() -> None:
    logits = torch.tensor([90.0, 0.0, -1.0]).view(1, 3, 1, 1)

    assert PerClass.classes(output(logits)).item() == 0
    assert PerClass.decode(output(logits)).argmax(1).item() == 0
    torch.testing.assert_close(PerClass.decode(output(logits)), PerClass.decode(output(logits - 90 * (logits == 90))))


@given(seeds)
def test_odds_against_the_background_are_those_of_the_sigmoid(seed: int) -> None:
    logits = normal((1, 3, 2, 2), torch.Generator().manual_seed(seed)).float()

    found, alone = PerClass.decode(output(logits)), logits[:, 1:].sigmoid()

    torch.testing.assert_close(found[:, 1:] / found[:, :1], alone / (1 - alone))
    torch.testing.assert_close(PerClass.decode(output(logits[:, :2]))[:, 1], alone[:, 0])


def test_half_precision_is_widened() -> None:
    assert PerClass.decode(output(torch.randn(1, 3, 2, 2).bfloat16())).dtype == torch.float32


def test_all_rests_where_new_classes_are_learned_beside_old_ones() -> None:
    student = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Dropout(0.5)).train()
    resting = []
    for step in range(3):
        method = DKD(TASK.at(step), lambda logits, target, num_old=1: logits.sum(), KDOptions(), DKDOptions())
        for part in method.resting(student.train()):
            part.eval()
        resting.append([not module.training for module in student])

    assert resting == [[False] * 3, [True] * 3, [False] * 3]


@pytest.mark.parametrize("name", ["dkd", "star", "barm"])
def test_terms_in_half_precision_are_about_those_in_full_precision(name: str) -> None:
    method, batch = prepared(find(name)), batch_of(random_labels())
    student, teacher = grown(method, batch)
    method.begin(student, teacher, [batch])

    full = method.terms(batch, student, teacher, torch.Generator().manual_seed(3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = method.terms(batch, student, teacher, torch.Generator().manual_seed(3))
    torch.stack([term.float() for term in half.values()]).sum().backward()

    assert {name: term.item() for name, term in half.items()} == pytest.approx(
        {name: term.item() for name, term in full.items()}, rel=0.1, abs=0.02
    )
