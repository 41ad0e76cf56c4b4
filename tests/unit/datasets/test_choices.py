import io
from pathlib import Path

import pytest
from rich.console import Console

from saticl.commands import listing
from saticl.datasets.base import Choice, DatasetAdapter, Request, Scene
from saticl.datasets.potsdam import Potsdam
from saticl.datasets.vaihingen import Vaihingen
from saticl.errors import InvalidOptions
from tests.unit.datasets.test_folder import described


class Seasons(DatasetAdapter):
    """A dataset with a choice of its own."""

    name = "seasons"
    choices = (Choice("time_of_year", ("leafless", "green"), "images", "when the pictures were taken"),)

    def scenes(self, root: Path, request: Request) -> list[Scene]:
        return []


def test_every_choice_has_a_value_the_first_where_nothing_was_said() -> None:
    assert Potsdam().chosen(Request()) == {"channels": "rgb", "labels": "full", "dsm": False}
    assert Potsdam().chosen(Request({"dsm": True, "channels": "IRRG"})) == {
        "channels": "irrg",
        "labels": "full",
        "dsm": True,
    }
    assert Vaihingen().chosen(Request())["channels"] == "irrg"
    assert Seasons().chosen(Request()) == {"time_of_year": "leafless"}


def test_a_choice_that_is_not_offered_is_refused_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="The dataset seasons has no --dsm: it offers --time-of-year leafless or"):
        Seasons().chosen(Request({"dsm": True}))
    with pytest.raises(InvalidOptions, match="The dataset own has no --channels: it offers no choices"):
        described(tmp_path).chosen(Request({"channels": "rgb"}))
    with pytest.raises(InvalidOptions, match="The dataset own has no --labels: it offers --dsm"):
        described(tmp_path, dsm="{group}/{name}.tif").chosen(Request({"labels": "eroded"}))


def test_a_value_that_is_not_offered_is_refused_with_those_that_are() -> None:
    with pytest.raises(InvalidOptions, match="potsdam has no round masks: choose --labels full or eroded"):
        Potsdam().chosen(Request({"labels": "round"}))


def test_the_list_of_datasets_shows_their_choices() -> None:
    offers = {str(row["dataset"]): row["choices"] for row in listing.datasets()}

    assert offers["potsdam"] == [
        {"flag": "--channels", "values": ["rgb", "irrg", "rgbir"], "summary": "which images, by their bands"},
        {
            "flag": "--labels",
            "values": ["full", "eroded"],
            "summary": "full: masks of all pixels; eroded: pixels near class boundaries are ignored",
        },
        {"flag": "--dsm", "values": [False, True], "summary": "add the surface model as a last band"},
    ]
    assert [offer["flag"] for offer in offers["folder"]] == ["--dsm"]  # type: ignore[attr-defined]


def test_the_table_of_datasets_shows_choices_as_they_are_typed() -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(listing.sheets(listing.datasets()))
    text = console.file.getvalue()  # type: ignore[attr-defined]

    for line in ("--channels rgb|irrg|rgbir", "--labels full|eroded", "--dsm "):
        assert line in text
