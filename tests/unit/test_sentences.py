"""Pieces of sentences."""

import pytest

from saticl.sentences import some_of


@pytest.mark.parametrize(
    ("number", "few", "expected"),
    [(0, 2, ""), (1, 2, "0"), (2, 2, "0, 1"), (3, 2, "0, 1 and 1 more"), (1500, 3, "0, 1, 2 and 1,497 more")],
)
def test_the_first_names_are_listed_and_the_others_counted(number: int, few: int, expected: str) -> None:
    assert some_of((str(name) for name in range(number)), few) == expected


def test_five_names_are_few() -> None:
    assert some_of("abcdef") == "a, b, c, d, e and 1 more"
