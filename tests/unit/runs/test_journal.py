"""The journal survives what happens to long runs: kills, resumes, numbers that are none."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from saticl.errors import InvalidRecord
from saticl.runs.journal import Costs, Epoch, Journal, Validation


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "step-0" / "journal.jsonl")


def test_events_are_read_back_in_order_with_their_values_and_time(journal: Journal) -> None:
    journal.write("start", name="città", bands=("r", "g"))
    journal.write("epoch", epoch=1, loss=np.float32(0.5))

    start, epoch = journal.read()

    assert (start["event"], start["name"], start["bands"]) == ("start", "città", ["r", "g"])
    assert (epoch["event"], epoch["epoch"], epoch["loss"]) == ("epoch", 1, 0.5)
    assert datetime.fromisoformat(start["time"]) <= datetime.fromisoformat(epoch["time"])
    assert datetime.fromisoformat(start["time"]).utcoffset() is not None


def test_every_event_is_one_line_of_strict_json(journal: Journal) -> None:
    journal.write("epoch", epoch=1, val_miou=float("nan"), comment="two\nlines")

    (line,) = journal.path.read_text(encoding="utf-8").splitlines()

    assert json.loads(line, parse_constant=pytest.fail)["val_miou"] is None


def test_an_event_is_in_the_file_as_soon_as_it_is_written(journal: Journal) -> None:
    journal.write("epoch", epoch=1)

    assert len(Journal(journal.path).read()) == 1


def test_a_journal_without_a_file_is_empty(journal: Journal) -> None:
    assert journal.read() == []
    journal.forget_after(0)
    assert not journal.path.exists()


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl", enabled=False)

    journal.write("epoch", epoch=1)
    journal.forget_after(0)

    assert not journal.path.exists()


def test_a_process_that_is_not_the_main_one_changes_no_existing_file(journal: Journal) -> None:
    journal.write("epoch", epoch=1)
    with journal.path.open("a") as file:
        file.write('{"event": "ep')
    before = journal.path.read_bytes()

    Journal(journal.path, enabled=False).forget_after(0)

    assert journal.path.read_bytes() == before


def test_an_unfinished_last_line_is_not_read_and_gives_way_to_the_next_event(journal: Journal) -> None:
    journal.write("epoch", epoch=1)
    with journal.path.open("a") as file:
        file.write('{"event": "epoch", "epo')
    assert [event["epoch"] for event in journal.read()] == [1]

    resumed = Journal(journal.path)
    resumed.write("epoch", epoch=2)

    assert [event["epoch"] for event in resumed.read()] == [1, 2]


def test_a_journal_is_opened_before_its_folder_is_claimed_and_so_changes_nothing(journal: Journal) -> None:
    journal.write("epoch", epoch=1)
    with journal.path.open("a") as file:
        file.write('{"event": "ep')
    before = journal.path.read_bytes()

    Journal(journal.path)

    assert journal.path.read_bytes() == before


def test_resuming_forgets_later_epochs_and_keeps_events_of_no_epoch(journal: Journal) -> None:
    journal.write("start")
    for epoch in (1, 2, 3):
        journal.write("epoch", epoch=epoch)
    journal.write("note", text="of no epoch")

    journal.forget_after(1)

    assert [(event["event"], event.get("epoch")) for event in journal.read()] == [
        ("start", None),
        ("epoch", 1),
        ("note", None),
    ]
    assert list(journal.path.parent.iterdir()) == [journal.path]


EPOCH = Epoch(
    epoch=3,
    loss=1.5,
    lr=0.01,
    terms={"ce": 1.0, "loss": 0.5},
    validation=Validation(miou=0.5, f1=0.6, old_miou=float("nan"), new_miou=0.5, best=True),
    costs=Costs(images_per_s=10, seconds=2, iterations=5, peak_memory_mb=float("nan")),
)


def test_an_epoch_keeps_terms_scores_and_costs_apart_whatever_a_term_is_called(journal: Journal) -> None:
    journal.write("start")
    journal.write_epoch(EPOCH)

    _, event = journal.read()
    (epoch,) = journal.epochs()

    assert (event["event"], event["format"], event["epoch"], event["loss"]) == ("epoch", 1, 3, 1.5)
    assert event["terms"] == {"ce": 1.0, "loss": 0.5}
    assert event["validation"]["old_miou"] is None
    assert event["costs"]["iterations"] == 5
    assert np.isnan(epoch.costs.peak_memory_mb)
    assert epoch.terms == EPOCH.terms
    assert epoch.validation is not None
    assert epoch.validation.best


def test_an_epoch_without_a_validation_says_so(journal: Journal) -> None:
    journal.write_epoch(EPOCH.model_copy(update={"validation": None}))

    assert journal.read()[0]["validation"] is None
    assert journal.epochs()[0].validation is None
    assert "validation" not in journal.epochs()[0].numbers()


def test_the_numbers_to_draw_are_grouped_and_without_bookkeeping() -> None:
    numbers = EPOCH.numbers()

    assert numbers.keys() == {"loss", "lr", "terms", "validation", "costs"}
    assert numbers["terms"] == EPOCH.terms


@pytest.mark.parametrize("line", ["nonsense", "[1]", "{}", '{"event": "epoch"', "\x00\x00"])
def test_a_damaged_line_is_named_with_what_to_do(line: str, journal: Journal) -> None:
    journal.write_epoch(EPOCH)
    with journal.path.open("a") as file:
        file.write(line + "\n")
    journal.write_epoch(EPOCH)

    with pytest.raises(InvalidRecord, match=r"Line 2 of .*journal.jsonl is damaged: delete that line"):
        journal.epochs()


def test_an_epoch_of_another_version_is_named_with_what_to_do(journal: Journal) -> None:
    journal.write("start")
    journal.write("epoch", epoch=1, loss=0.5, ce=0.5, val_miou=0.1)

    with pytest.raises(InvalidRecord, match=r"Line 2 of .* another version of saticl .*train the step again\."):
        journal.epochs()
