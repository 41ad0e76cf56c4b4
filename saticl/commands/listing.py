"""`list`: what can be chosen, as records that become a table or JSON. Only `encoders` needs torch."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from saticl import datasets as raw
from saticl import methods as learning
from saticl.commands.orders import of_adapter
from saticl.datasets.base import Choice
from saticl.errors import InvalidOptions, UnknownName
from saticl.models.decoder_names import DECODERS

Row = Mapping[str, object]
"""One row, by column."""


def datasets(pattern: str | None = None) -> list[Row]:
    """The datasets that `prepare` knows and whose name or summary fits a pattern.

    Raises UnknownName when none does.
    """
    records: list[Row] = [
        {
            "dataset": adapter.name,
            "summary": adapter.summary,
            "bands": list(adapter.bands),
            "classes": [entry.name for entry in adapter.classes],
            "choices": [_offer(choice) for choice in adapter.choices],
            "tasks": [order.protocol.name for order in of_adapter(adapter)],
            "licence": adapter.licence,
            "citation": adapter.citation,
        }
        for adapter in raw.DATASETS
    ]
    return _fitting(records, pattern)


def methods(pattern: str | None = None) -> list[Row]:
    """The learning methods whose name or summary fits a pattern, with the defaults that each changes.

    Raises UnknownName when none does.
    """
    records: list[Row] = [
        {"method": spec.name, "summary": spec.summary, "paper": spec.paper, "defaults": dict(spec.defaults)}
        for spec in learning.METHODS
    ]
    return _fitting(records, pattern)


def _fitting(records: Sequence[Row], pattern: str | None) -> list[Row]:
    """Those whose name (their first value) is the pattern, else fits it, else whose summary holds it.

    Raises UnknownName when there is none.
    """
    if pattern is None:
        return list(records)
    kind = next(iter(records[0]))
    shape = pattern.lower() if "*" in pattern else f"*{pattern.lower()}*"
    named = [record for record in records if str(record[kind]).lower() == pattern.lower()]
    like = [record for record in records if fnmatchcase(str(record[kind]).lower(), shape)]
    told = [record for record in records if fnmatchcase(str(record["summary"]).lower(), shape)]
    found = named or like or told
    if not found:
        raise UnknownName(kind, pattern, [str(record[kind]) for record in records])
    return found


def encoders(pattern: str | None = None) -> list[Row]:
    """Encoders whose name fits a pattern with * or contains the given text, and whether timm has weights for them.

    Raises InvalidOptions when there is none.
    """
    from saticl.models.encoder_names import encoder_names

    found = encoder_names(pattern)
    if not found:
        raise InvalidOptions(f"timm has no encoder that matches {pattern!r}: try a shorter part of its name.")
    return [{"encoder": name, "pretrained": pretrained} for name, pretrained in found]


def decoders() -> list[Row]:
    """The decoders, each in a line."""
    return [{"decoder": name, "summary": summary} for name, summary in DECODERS.items()]


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


def _usage(offer: Mapping[str, Any]) -> str:
    """A choice in short: --channels rgb|irrg|rgbir, or only the flag of a switch."""
    words = [value for value in offer["values"] if isinstance(value, str)]
    return f"{offer['flag']} {'|'.join(words)}".rstrip()


def _cell(value: object) -> str:
    """A value as text: choices on lines of their own, nothing as a dash."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "\n".join(_usage(offer) for offer in value)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "-"
    if isinstance(value, Mapping):
        return "\n".join(f"{name} {item}" for name, item in value.items()) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
