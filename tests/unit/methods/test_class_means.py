"""Mean features of classes over batches and over steps."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from saticl.errors import InvalidCheckpoint
from saticl.losses import class_counts, class_means, class_sums
from saticl.methods.class_means import ClassMeans
from tests.strategies import normal, seeds


@given(seeds, st.integers(1, 4))
def test_running_means_are_the_means_of_all_positions_seen(seed: int, batches: int) -> None:
    random = torch.Generator().manual_seed(seed)
    features, labels = normal((batches, 3, 2, 4), random), torch.randint(5, (batches, 2, 4), generator=random)
    running = ClassMeans(4).double()
    running.make_room(3)

    for f, y in zip(features.split(1), labels.split(1), strict=True):
        running.add(class_sums(f, y, 4), class_counts(y, 4))

    assert_close(running.means, class_means(features, labels, 4))
    assert torch.equal(running.counts, class_counts(labels, 4))
    assert torch.equal(running.known, class_counts(labels, 4) > 0)


def filled() -> ClassMeans:
    means = ClassMeans(3)
    means.make_room(2)
    means.add(torch.tensor([[2.0, 4.0], [0.0, 0.0], [9.0, 9.0]]), torch.tensor([2, 0, 3]))
    return means


def test_new_means_replace_those_of_the_classes_that_are_seen_again() -> None:
    means = filled()

    means.replace(torch.tensor([[0.0, 0.0], [8.0, 4.0], [1.0, 0.0]]), torch.tensor([0, 4, 1]))

    assert means.means.tolist() == [[1, 2], [2, 1], [1, 0]]
    assert means.counts.tolist() == [2, 4, 1]


def test_buffers_stay_the_same_tensors() -> None:
    """Several processes agree on the tensors that were there when they met."""
    means = filled()
    before = {name: tensor.data_ptr() for name, tensor in means.named_buffers()}

    means.add(torch.ones(3, 2), torch.ones(3, dtype=torch.int64))
    means.replace(torch.ones(3, 2), torch.ones(3, dtype=torch.int64))

    assert before == {name: tensor.data_ptr() for name, tensor in means.named_buffers()}


def test_room_is_made_once() -> None:
    means = filled()

    means.make_room(2)

    assert means.means.tolist() == [[1, 2], [0, 0], [3, 3]]


def test_the_next_step_has_rows_for_its_new_classes() -> None:
    left = {f"kept.{name}": tensor for name, tensor in filled().state_dict().items()}
    larger = ClassMeans(5)

    state = larger.inherited(left, "kept", "sdr")

    assert state["kept.means"].tolist() == [[1, 2], [0, 0], [3, 3], [0, 0], [0, 0]]
    assert state["kept.counts"].tolist() == [2, 0, 3, 0, 0]
    assert larger.means.shape == (5, 2)


def test_a_step_that_left_nothing_is_refused_in_one_sentence() -> None:
    with pytest.raises(InvalidCheckpoint, match=r"^The previous step left no state for sdr, .* with --method sdr\.$"):
        ClassMeans(3).inherited({}, "kept", "sdr")
