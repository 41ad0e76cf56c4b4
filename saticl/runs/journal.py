"""The record of a step that cannot fail: one JSON object per line, one line per event.

The event of an epoch is an `Epoch`: terms of the loss, scores of the validation and costs are groups of their own, so
that no reader needs to know which names are which.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from saticl.errors import InvalidRecord
from saticl.files import to_json, write_atomically
from saticl.runs.records import Number, Record, unusable

Event = dict[str, Any]
"""`event` (its kind), `time` (ISO 8601, UTC), and whatever else was known; numbers that are not finite are None."""


class Validation(Record):
    """Scores on what a step may know of its validation tiles: true new labels, the previous model's old ones."""

    miou: Number
    f1: Number
    old_miou: Number
    """NaN at step 0, which has no old classes."""
    new_miou: Number
    best: bool
    """Whether these weights are the best so far."""


class Costs(Record):
    """What an epoch took, on the machine that it ran on."""

    images_per_s: Number
    seconds: Number
    iterations: int
    peak_memory_mb: Number
    """Of tensors on a GPU during this epoch; on a CPU of the process since its start."""


class Epoch(Record):
    """One epoch of training."""

    format: Literal[1] = 1
    epoch: int
    """From 1."""
    loss: Number
    """The sum of the terms."""
    lr: Number
    """The learning rate of the last iteration."""
    terms: dict[str, Number]
    """Mean of every term of the loss, already weighted, by name."""
    validation: Validation | None = None
    """None: this epoch did not end with a validation."""
    costs: Costs

    def numbers(self) -> dict[str, object]:
        """What can be drawn over epochs, nested as here."""
        return self.model_dump(exclude={"format", "epoch"}, exclude_none=True)


class Journal:
    """Appends events to a file and reads them back.

    A line that a killed process left unfinished is never read, and makes room for the next event. Other processes than
    the main one hold a journal that is not `enabled`: it writes nothing.
    """

    def __init__(self, path: Path, enabled: bool = True) -> None:
        self.path = path
        self.enabled = enabled

    def write(self, event: str, **values: object) -> None:
        """Append one event; it is in the file when this returns. Values as of `saticl.files.to_json`."""
        if not self.enabled:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            _cut_unfinished_line(self.path)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line({"event": event, "time": now, **values}))

    def write_epoch(self, epoch: Epoch) -> None:
        """Append the event of an epoch."""
        self.write("epoch", **epoch.model_dump())

    def read(self) -> list[Event]:
        """All events, oldest first; none where there is no file yet.

        Raises:
            InvalidRecord: a line is no event.
        """
        if not self.path.exists():
            return []
        *lines, _unfinished = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        return [self._event(number, line) for number, line in enumerate(lines, start=1)]

    def epochs(self) -> list[Epoch]:
        """The epochs, oldest first.

        Raises:
            InvalidRecord: a line is damaged, or comes from another version.
        """
        events = ((number, event) for number, event in enumerate(self.read(), start=1) if event["event"] == "epoch")
        return [self._epoch(number, event) for number, event in events]

    def _event(self, number: int, line: str) -> Event:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "event" not in event:
            raise InvalidRecord(f"Line {number} of {self.path} is damaged: delete that line; only its event is lost.")
        return event

    def _epoch(self, number: int, event: Event) -> Epoch:
        try:
            return Epoch.model_validate({name: event[name] for name in event if name not in ("event", "time")})
        except ValidationError as error:
            raise InvalidRecord(
                f"Line {number} of {self.path} {unusable(error)}: delete that line, or train the step again."
            ) from error

    def forget_after(self, epoch: int) -> None:
        """Remove the events of later epochs than `epoch`: those that a resumed run is going to repeat."""
        if self.enabled and self.path.exists():
            write_atomically(self.path, "".join(map(_line, _until(epoch, self.read()))))


def _until(epoch: int, events: Iterable[Event]) -> Iterable[Event]:
    """Events of no epoch or of one up to `epoch`."""
    return (event for event in events if event.get("epoch") is None or event["epoch"] <= epoch)


def _line(event: Event) -> str:
    return json.dumps(to_json(event), ensure_ascii=False) + "\n"


def _cut_unfinished_line(path: Path) -> None:
    content = path.read_bytes()
    finished = content.rfind(b"\n") + 1
    if finished < len(content):
        write_atomically(path, content[:finished])
