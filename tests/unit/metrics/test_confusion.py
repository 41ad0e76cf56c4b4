"""The confusion matrix counts every pixel with a label once, and no other."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from torch import Tensor

from saticl.metrics import confusion
from saticl.metrics.confusion import Confusion, confusion_matrix

Maps = tuple[Tensor, Tensor, int]


@st.composite
def maps(draw: st.DrawFn) -> Maps:
    """A prediction and a target [B, H, W], some of it ignored, and the number of classes."""
    num_classes = draw(st.integers(2, 7))
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    prediction = torch.randint(num_classes, shape, generator=generator)
    target = torch.randint(num_classes, shape, generator=generator)
    target[torch.rand(shape, generator=generator) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = 255
    return prediction, target, num_classes


@given(maps())
def test_the_matrix_is_that_of_scikit_learn_on_the_pixels_with_a_label(case: Maps) -> None:
    prediction, target, num_classes = case
    valid = target != 255

    matrix = confusion_matrix(prediction, target, num_classes)

    assert matrix.dtype == torch.int64
    assert matrix.sum() == valid.sum()
    if valid.any():
        expected = sklearn_metrics.confusion_matrix(
            target[valid].numpy(), prediction[valid].numpy(), labels=np.arange(num_classes)
        )
        assert matrix.tolist() == expected.tolist()


@given(maps())
def test_counting_on_an_accelerator_gives_the_same_matrix(case: Maps) -> None:
    prediction, target, num_classes = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confusion, "_count", confusion._count_without_waiting)

        spread = confusion_matrix(prediction, target, num_classes)

    assert torch.equal(spread, confusion_matrix(prediction, target, num_classes))


@given(maps())
def test_predictions_at_ignored_pixels_do_not_matter(case: Maps) -> None:
    prediction, target, num_classes = case
    elsewhere = torch.where(target == 255, 255, prediction)

    assert torch.equal(
        confusion_matrix(elsewhere, target, num_classes), confusion_matrix(prediction, target, num_classes)
    )


@given(maps())
def test_matrices_of_parts_add_up_to_the_matrix_of_the_whole(case: Maps) -> None:
    prediction, target, num_classes = case
    whole = Confusion(num_classes)
    for one_prediction, one_target in zip(prediction, target, strict=True):
        whole.update(one_prediction, one_target)

    assert torch.equal(whole.matrix, confusion_matrix(prediction, target, num_classes))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_any_integer_type_will_do(dtype: torch.dtype) -> None:
    target = torch.tensor([[[0, 1, 2, 255]]]).to(dtype)
    prediction = torch.tensor([[[0, 2, 2, 1]]]).to(dtype)

    assert confusion_matrix(prediction, target, 3).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]


def test_one_hundred_and_fifty_one_classes_fit_into_bytes() -> None:
    target = torch.arange(151, dtype=torch.uint8).view(1, 1, 151)

    assert torch.equal(confusion_matrix(target, target, 151), torch.eye(151, dtype=torch.int64))


def test_rows_are_truth() -> None:
    matrix = confusion_matrix(torch.tensor([[[1]]]), torch.tensor([[[0]]]), 2)

    assert matrix[0, 1] == 1
