"""A method refuses a state that it does not know."""

import re

import pytest
import torch

from saticl.errors import InvalidCheckpoint
from tests.steps import make_method


def test_a_method_without_running_state_refuses_that_of_another_and_takes_none() -> None:
    said = (
        "The interrupted step was not trained with Method: its state holds a, b, c. Continue it with the --method it "
        "was started with."
    )

    with pytest.raises(InvalidCheckpoint, match=f"^{re.escape(said)}$"):
        make_method().resume_state({name: torch.zeros(1) for name in "dcba"})
    make_method().resume_state({})


def test_a_method_refuses_the_state_that_another_left_to_the_next_step() -> None:
    said = (
        "The previous step holds state (a, b, c, ...) that Method does not know: it was trained with another method. "
        "Use the same --method for every step."
    )

    with pytest.raises(InvalidCheckpoint, match=f"^{re.escape(said)}$"):
        make_method().import_state({name: torch.zeros(1) for name in "dcba"})
