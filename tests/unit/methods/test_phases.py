"""By what factor a parameter is trained in a phase."""

import pytest

from saticl.errors import InvalidOptions
from saticl.methods.phases import Phase


@pytest.mark.parametrize("budget", ["max_epochs", "max_iterations"])
def test_a_phase_of_one_is_allowed_and_of_none_is_not(budget: str) -> None:
    assert getattr(Phase(**{budget: 1}), budget) == 1
    with pytest.raises(InvalidOptions, match="The phase 'head' has no epochs or no iterations"):
        Phase("head", **{budget: 0})


def test_the_longest_fitting_beginning_gives_the_factor() -> None:
    phase = Phase(rates={"": 0.5, "student.heads": 0.25, "student.": 2.0})

    assert [phase.rate(name) for name in ("method.a", "student.body", "student.heads.0")] == [0.5, 2.0, 0.25]


def test_parameters_that_nothing_names_have_the_factor_one() -> None:
    assert Phase(rates={"student.": 2.0}).rate("method.a") == 1.0
    assert Phase().rate("anything") == 1.0
