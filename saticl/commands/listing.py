"""`list`: what can be chosen, as records that become a table or JSON. Only `encoders` needs torch."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from saticl import datasets as raw
from saticl import methods as learning
from saticl.datasets.base import Choice, DatasetAdapter
from saticl.errors import InvalidOptions
from saticl.tasks import Protocol, offline
from saticl.tiles.manifest import Manifest

Row = Mapping[str, object]
"""One row, by column."""

Adapter = DatasetAdapter | type[DatasetAdapter]
"""A dataset, or one of the built-in ones, whose facts stand on the class."""


def datasets() -> list[Row]:
    """The datasets that `prepare` knows."""
    return [
        {
            "dataset": adapter.name,
            "summary": adapter.summary,
            "bands": list(adapter.bands),
            "classes": [entry.name for entry in adapter.classes],
            "choices": [_offer(choice) for choice in adapter.choices],
            "tasks": [protocol.name for protocol in _protocols(adapter)],
            "licence": adapter.licence,
            "citation": adapter.citation,
        }
        for adapter in raw.DATASETS
    ]


def tasks(dataset: str | None = None, data_root: Path | None = None) -> list[Row]:
    """The classes of every step of every task: of the built-in datasets, of one, or of a prepared folder.

    Raises UnknownName for a dataset that does not exist, MissingTiles for a folder that is not prepared.
    """
    if data_root is not None:
        manifest = Manifest.load(data_root)
        names = dict.fromkeys(("offline", *manifest.protocols))
        return [_task(manifest.dataset, manifest.protocol(name)) for name in names]
    adapters: tuple[Adapter, ...] = raw.DATASETS if dataset is None else (raw.find(dataset),)
    return [_task(adapter.name, protocol) for adapter in adapters for protocol in _protocols(adapter)]


def methods() -> list[Row]:
    """The learning methods, with the defaults that each changes."""
    return [
        {"method": spec.name, "summary": spec.summary, "paper": spec.paper, "defaults": dict(spec.defaults)}
        for spec in learning.METHODS
    ]


def encoders(pattern: str | None = None) -> list[Row]:
    """Encoders whose name fits a pattern with * or contains the given text, and whether timm has weights for them.

    Raises InvalidOptions when there is none.
    """
    from saticl.models.encoder_names import encoder_names

    found = encoder_names(pattern)
    if not found:
        raise InvalidOptions(f"timm has no encoder that matches {pattern!r}: try a shorter part of its name.")
    return [{"encoder": name, "pretrained": pretrained} for name, pretrained in found]


def table(records: Iterable[Row]) -> Table:
    """Records as a table, columns in the order of the first record."""
    rows = list(records)
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in rows[0] if rows else ():
        result.add_column(column, overflow="fold", no_wrap=column == next(iter(rows[0])))
    for row in rows:
        result.add_row(*(_cell(value) for value in row.values()))
    return result


def sheets(records: Iterable[Row]) -> Group:
    """Records with a name and a summary, one below the other: what has too many long columns for a table."""
    return Group(*(part for record in records for part in _sheet(record)))


def _sheet(record: Row) -> tuple[Text, Padding]:
    (_, name), (_, summary), *facts = record.items()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    for column, value in facts:
        if value:
            grid.add_row(column, _cell(value))
    return Text.assemble((str(name), "bold"), f"  {summary}"), Padding(grid, (0, 0, 1, 2))


def _offer(choice: Choice) -> Row:
    """A choice that `prepare` takes; its first value is the default."""
    return {"flag": choice.flag, "values": list(choice.values), "summary": choice.summary}


def _protocols(adapter: Adapter) -> list[Protocol]:
    """Those of the dataset; every dataset with its own classes also has `offline`."""
    names = [entry.name for entry in adapter.classes]
    listed = {protocol.name: protocol for protocol in adapter.protocols}
    return list(({"offline": offline(names, adapter.background)} | listed if names else listed).values())


def _task(dataset: str, protocol: Protocol) -> Row:
    return {
        "dataset": dataset,
        "task": protocol.name,
        "steps": len(protocol.groups),
        "background": protocol.background,
        "classes": [list(group) for group in protocol.groups],
    }


def _usage(offer: Mapping[str, Any]) -> str:
    """A choice in short: --channels rgb|irrg|rgbir, or only the flag of a switch."""
    words = [value for value in offer["values"] if isinstance(value, str)]
    return f"{offer['flag']} {'|'.join(words)}".rstrip()


def _cell(value: object) -> str:
    """A value as text: steps and choices on lines of their own, nothing as a dash."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "\n".join(_usage(offer) for offer in value)
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "\n".join(f"{step}: {', '.join(group)}" for step, group in enumerate(value))
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "-"
    if isinstance(value, Mapping):
        return "\n".join(f"{name} {item}" for name, item in value.items()) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
