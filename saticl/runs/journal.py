"""The record of a step that cannot fail: one JSON object per line, one line per event."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saticl.files import to_json, write_atomically

Event = dict[str, Any]
"""`event` (its kind), `time` (ISO 8601, UTC), and whatever else was known; numbers that are not finite are None."""


class Journal:
    """Appends events to a file and reads them back.

    A line that a killed process left unfinished is never read, and makes room for the next event. Other processes than
    the main one hold a journal that is not `enabled`: it writes nothing.
    """

    def __init__(self, path: Path, enabled: bool = True) -> None:
        self.path = path
        self.enabled = enabled
        if enabled and path.exists():
            _cut_unfinished_line(path)

    def write(self, event: str, **values: object) -> None:
        """Append one event; it is in the file when this returns. Values as of `saticl.files.to_json`."""
        if not self.enabled:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line({"event": event, "time": now, **values}))

    def read(self) -> list[Event]:
        """All events, oldest first; none where there is no file yet."""
        if not self.path.exists():
            return []
        *lines, _unfinished = self.path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines]

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
