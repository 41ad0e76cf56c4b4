"""The row of a method that is not in the table."""

import dataclasses

import pytest

from saticl.errors import InvalidOptions
from saticl.methods import METHODS, find
from saticl.methods.base import Method


class Keeps2OldThings(Method):
    """Keeps what is old.

    And says more of it.
    """

    defaults = {"optimizer.lr": 0.5}  # noqa: RUF012
    reads = frozenset({"kd"})


class Silent(Method):
    __doc__ = None


def test_a_class_says_what_a_row_says() -> None:
    target = f"{__name__}:Keeps2OldThings"

    row = find(target)

    said = (row.name, row.summary, row.target, row.defaults, row.reads)
    assert said == ("keeps2-old-things", "Keeps what is old.", target, {"optimizer.lr": 0.5}, frozenset({"kd"}))
    assert find(f"{__name__}:Silent").summary == ""


@pytest.mark.parametrize(
    ("target", "said"),
    [("no.such:Class", "cannot be imported"), ("saticl.methods:MethodSpec", "is not a subclass of")],
)
def test_what_is_no_method_is_refused(target: str, said: str) -> None:
    with pytest.raises(InvalidOptions, match=f"--method {target} {said}"):
        find(target)


def test_a_method_of_the_table_is_found_again_by_its_name_another_by_its_class() -> None:
    elsewhere = dataclasses.replace(METHODS[0], target="elsewhere:FT", is_outside=True)

    assert [spec.reference for spec in METHODS] == [spec.name for spec in METHODS]
    assert elsewhere.reference == "elsewhere:FT"
    assert find("saticl.methods.base:Method").reference == "saticl.methods.base:Method"
