"""The journal survives what happens to long runs: kills, resumes, numbers that are none."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from saticl.runs.journal import Journal


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
