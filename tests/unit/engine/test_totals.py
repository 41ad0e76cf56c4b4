import pytest
import torch

from saticl.engine.totals import Totals
from saticl.errors import NonFiniteLoss


def test_means_are_over_the_iterations() -> None:
    totals = Totals(epoch=1)
    totals.add({"ce": torch.tensor(1.0), "kd": torch.tensor(4.0)})
    totals.add({"ce": torch.tensor(3.0), "kd": torch.tensor(0.0)})

    assert totals.means() == {"ce": 2.0, "kd": 2.0}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_term_that_was_not_finite_once_is_named_even_later(value: float) -> None:
    totals = Totals(epoch=7)
    totals.add({"ce": torch.tensor(1.0), "kd": torch.tensor(value)})
    totals.add({"ce": torch.tensor(1.0), "kd": torch.tensor(1.0)})

    with pytest.raises(NonFiniteLoss, match="'kd' became NaN or infinite in epoch 7"):
        totals.means()


def test_nothing_added_has_no_means() -> None:
    assert Totals(epoch=1).means() == {}


def test_a_term_that_comes_with_some_iterations_only_is_averaged_over_those() -> None:
    totals = Totals(epoch=1)
    for index in range(4):
        penalty = {"penalty": torch.tensor(6.0)} if index % 2 else {}
        totals.add({"ce": torch.tensor(1.0), **penalty})

    assert totals.means() == {"ce": 1.0, "penalty": 6.0}
