"""Sums over processes, pretended: what another process holds is the same as what this one does."""

import pytest
import torch
from torch import Tensor, distributed

from saticl.methods.class_means import ClassMeans
from saticl.methods.processes import sum_over_processes
from saticl.methods.prototypes import Sums


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that hold the same."""

    def all_reduce(tensor: Tensor) -> None:
        tensor.mul_(2)

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "all_reduce", all_reduce)


def test_a_single_process_has_all() -> None:
    held = torch.arange(3)

    sum_over_processes(held)

    assert held.tolist() == [0, 1, 2]


@pytest.mark.usefixtures("twins")
def test_every_tensor_becomes_the_sum() -> None:
    first, second = torch.arange(3), torch.ones(2)

    sum_over_processes(first, second)

    assert first.tolist() == [0, 2, 4]
    assert second.tolist() == [2, 2]


@pytest.mark.usefixtures("twins")
def test_means_are_of_all_processes_and_what_they_are_made_of_stays() -> None:
    sums, counts = torch.tensor([[6.0]]), torch.tensor([3])
    running, anew = ClassMeans(1), ClassMeans(1)
    for means in (running, anew):
        means.make_room(1)

    running.add(sums, counts)
    anew.replace(sums, counts)

    for means in (running, anew):
        assert (means.means.item(), means.counts.item()) == (2, 6)
    assert (sums.item(), counts.item()) == (6, 3)


@pytest.mark.usefixtures("twins")
def test_prototypes_may_be_asked_for_twice() -> None:
    sums = Sums(1)
    sums.add(torch.ones(1, 2, 1, 3), torch.zeros(1, 1, 3))

    assert [sums.prototypes().count.item() for _ in range(2)] == [6, 6]
