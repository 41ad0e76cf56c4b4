"""Losses with one sigmoid per class, against a slow implementation."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from saticl.labels import IGNORE
from saticl.losses import absence, class_bce, presence_margin, sigmoid_distillation, weighted_absence
from tests.reference import sigmoid as reference
from tests.strategies import StepCase, step_cases

weights = st.sampled_from([0.5, 1.0, 4.0])


@given(case=step_cases(), pos_weight=weights)
def test_bce_of_some_classes_is_its_definition(case: StepCase, pos_weight: float) -> None:
    classes = range(case.num_old, case.logits.shape[1])
    scores = case.logits[:, case.num_old :]

    loss = class_bce(scores, case.target, classes, pos_weight)

    assert loss.item() == pytest.approx(reference.class_bce(scores, case.target, classes, pos_weight))


@given(case=step_cases())
def test_the_classes_may_be_any_in_any_order(case: StepCase) -> None:
    classes = [case.logits.shape[1] - 1, 0]

    loss = class_bce(case.logits[:, classes], case.target, classes)

    assert loss.item() == pytest.approx(reference.class_bce(case.logits[:, classes], case.target, classes, 1.0))


@given(case=step_cases())
def test_absence_is_bce_against_a_label_of_none_of_them(case: StepCase) -> None:
    valid = case.target != IGNORE

    loss = absence(case.logits, valid)

    assert loss.item() == pytest.approx(reference.absence(case.logits, valid))
    elsewhere = torch.where(valid, 200, IGNORE)
    assert_close(loss, class_bce(case.logits, elsewhere, range(case.logits.shape[1]), 7.0))


@given(case=step_cases())
def test_weighted_absence_is_a_sum_over_images(case: StepCase) -> None:
    weights = [3.0, 0.5][: len(case.logits)]
    everywhere = torch.ones_like(case.target[:1], dtype=torch.bool)

    loss = weighted_absence(case.logits, torch.tensor(weights))

    images = zip(weights, case.logits.split(1), strict=True)
    assert loss.item() == pytest.approx(sum(w * reference.absence(image, everywhere) for w, image in images))


@given(case=step_cases())
def test_the_margin_is_its_definition(case: StepCase) -> None:
    scores, valid = case.logits[:, 0], case.target != IGNORE

    assert presence_margin(scores, valid).item() == pytest.approx(reference.presence_margin(scores, valid))


def test_the_margin_asks_no_more_than_a_half() -> None:
    scores = torch.tensor([[[-50.0, -1.0, 0.0, 1.0, 50.0]]], requires_grad=True)

    loss = presence_margin(scores, torch.ones(1, 1, 5, dtype=torch.bool))
    loss.backward()

    expected = [1.0, 1 - 2 / (1 + math.e), 0, 0, 0]
    assert loss.item() == pytest.approx(sum(expected) / 5)
    assert (scores.grad[0, 0, 3:] == 0).all()
    assert scores.grad[0, 0, 1] < 0


def test_distillation_of_sigmoids_is_smallest_at_the_teacher() -> None:
    torch.manual_seed(0)
    old = torch.randn(2, 3, 4, 4)
    new = old.clone().requires_grad_()

    sigmoid_distillation(new, old).backward()

    assert_close(new.grad, torch.zeros_like(new), atol=1e-7, rtol=0)
