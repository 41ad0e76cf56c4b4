import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from saticl.losses import fold_old, fold_target, masked_mean, nearest_labels
from saticl.losses.masking import fold_new
from tests.strategies import IGNORE, StepCase, step_cases


@given(step_cases())
def test_folding_old_classes_adds_their_probabilities_to_the_background(case: StepCase) -> None:
    before = case.logits.softmax(1)

    after = fold_old(case.logits, case.num_old).softmax(1)

    assert_close(after[:, 0], before[:, : case.num_old].sum(1))
    assert_close(after[:, 1:], before[:, case.num_old :])


@given(step_cases())
def test_folding_new_classes_adds_their_probabilities_to_the_background(case: StepCase) -> None:
    before = case.logits.softmax(1)

    after = fold_new(case.logits, case.num_old).softmax(1)

    assert_close(after[:, 0], before[:, 0] + before[:, case.num_old :].sum(1))
    assert_close(after[:, 1:], before[:, 1 : case.num_old])


@given(step_cases())
def test_folding_new_classes_changes_nothing_where_none_were_added(case: StepCase) -> None:
    assert_close(fold_new(case.old_logits, case.num_old), case.old_logits)


@given(st.integers(1, 20), st.sampled_from([torch.uint8, torch.int64]))
def test_labels_fold_to_background_new_classes_in_order_and_ignored(num_old: int, dtype: torch.dtype) -> None:
    labels = torch.tensor([[[*range(num_old), num_old, num_old + 1, IGNORE]]], dtype=dtype)

    assert fold_target(labels, num_old).flatten().tolist() == [0] * num_old + [1, 2, IGNORE]


@given(step_cases())
def test_folding_labels_leaves_the_given_ones_alone(case: StepCase) -> None:
    before = case.target.clone()

    fold_target(case.target, case.num_old)

    assert torch.equal(case.target, before)


def test_a_masked_mean_sees_valid_values_only() -> None:
    values = torch.tensor([1.0, 5.0, float("nan"), float("inf")])

    assert masked_mean(values, torch.tensor([True, True, False, False])).item() == 3.0


def test_a_masked_mean_of_nothing_is_zero_with_a_graph() -> None:
    values = torch.ones(2, 3, requires_grad=True)

    loss = masked_mean(values, torch.zeros(2, 3, dtype=torch.bool))
    loss.backward()

    assert loss.item() == 0
    assert torch.equal(values.grad, torch.zeros(2, 3))


def test_a_mask_without_batch_and_channels_counts_for_all_of_them() -> None:
    values = torch.arange(24.0).view(2, 3, 2, 2)
    valid = torch.tensor([[True, False], [True, True]])

    assert_close(masked_mean(values, valid), values[:, :, valid].mean())


def test_labels_of_a_smaller_map_are_those_of_single_pixels_never_mixed() -> None:
    target = torch.tensor([[[0, 3, IGNORE, 1], [5, 5, 2, 2], [4, 0, 0, 7], [6, 6, 8, 8]]])

    assert nearest_labels(target, (2, 2)).tolist() == [[[0, IGNORE], [4, 0]]]
    assert nearest_labels(target.byte(), (4, 4)).tolist() == target.tolist()
    assert nearest_labels(target, (8, 4))[:, ::2].tolist() == target.tolist()
