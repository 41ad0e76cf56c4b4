"""`list tasks`: learning orders as records for JSON, and as tables in which every class has its colour."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from saticl import datasets as raw
from saticl.datasets.base import DatasetAdapter
from saticl.errors import UnknownName
from saticl.labels import Colour
from saticl.tasks import OFFLINE, Protocol, offline
from saticl.tiles.manifest import Manifest

FEW = 6
"""Names that a table of many orders shows of a step."""

MARK = "▌"
"""Needs no space behind it, at which a line could break."""


@dataclass(frozen=True)
class Order:
    """A learning order of a dataset, with what is needed to show it."""

    dataset: str
    protocol: Protocol
    colours: Mapping[str, Colour]
    """By class; empty where they are not shown."""

    @property
    def names(self) -> tuple[str, ...]:
        """All names under which it is found."""
        return (self.protocol.name, *self.protocol.aliases)

    @property
    def record(self) -> dict[str, object]:
        """As plain values for JSON."""
        order = self.protocol
        return {
            "dataset": self.dataset,
            "task": order.name,
            "aliases": list(order.aliases),
            "steps": len(order.groups),
            "background": order.background,
            "classes": [list(group) for group in order.groups],
            "places": [list(places) for places in order.places],
        }


def orders(dataset: str | None = None, data_root: Path | None = None, pattern: str | None = None) -> list[Order]:
    """The learning orders of all datasets, of one, or of a prepared folder, whose name or alias fits a pattern.

    A pattern is a whole name, a pattern with *, or a part of a name.

    Raises:
        UnknownName: no such dataset, or no order that fits. MissingTiles: the folder is not prepared.
    """
    found = _prepared(data_root) if data_root is not None else _known(dataset)
    fitting = [order for order in found if pattern is None or pattern in order.names]
    if not fitting and pattern is not None:
        shape = pattern if "*" in pattern else f"*{pattern}*"
        fitting = [order for order in found if any(fnmatch(name, shape) for name in order.names)]
    if not fitting:
        raise UnknownName("task", str(pattern), dict.fromkeys(name for order in found for name in order.names))
    return fitting


def show(found: Sequence[Order], coloured: bool) -> Group:
    """One table per dataset; a single order is shown whole, all others with the first classes of each step.

    `coloured` sets a mark in its colour before every class.
    """
    few = FEW if len(found) > 1 else None
    shown = found if coloured else [replace(order, colours={}) for order in found]
    return Group(*(_table([*of_dataset], few) for _, of_dataset in groupby(shown, _dataset)))


def _dataset(order: Order) -> str:
    return order.dataset


def _prepared(root: Path) -> list[Order]:
    manifest = Manifest.load(root)
    colours = {entry.name: entry.colour for entry in manifest.classes}
    names = dict.fromkeys((OFFLINE, *manifest.protocols))
    return [Order(manifest.dataset, manifest.protocol(name), colours) for name in names]


def _known(dataset: str | None) -> list[Order]:
    """Those of a dataset, or of all."""
    adapters = raw.DATASETS if dataset is None else (raw.find(dataset),)
    return [order for adapter in adapters for order in of_adapter(adapter)]


def of_adapter(adapter: DatasetAdapter | type[DatasetAdapter]) -> list[Order]:
    """Those of a dataset; every dataset with its own classes also has `offline`."""
    colours = {entry.name: entry.colour for entry in adapter.classes}
    listed = {protocol.name: protocol for protocol in adapter.protocols}
    known = ({OFFLINE: offline([*colours], adapter.background)} if colours else {}) | listed
    return [Order(adapter.name, protocol, colours) for protocol in known.values()]


def _table(found: Sequence[Order], few: int | None) -> Table:
    """The orders of one dataset: a line per step, or with `few` per run of steps with as many classes."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=found[0].dataset, title_justify="left")
    table.add_column("task", overflow="fold", style="bold", max_width=20)
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("classes", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for order in found:
        name = " = ".join(order.names)
        for row in _rows(order, few):
            table.add_row(name, *row)
            name = ""
    return table


def _rows(order: Order, few: int | None) -> Iterator[tuple[str, str, Text]]:
    """Step, number of classes, and classes with places; a background that the dataset has comes first."""
    background = order.protocol.background
    if background is not None and (few is None or background != "background"):
        yield "", "", _marked([background], order.colours) + Text(" is index 0", "dim")
    steps = range(len(order.protocol.groups))
    alike = groupby(steps, lambda step: step if few is None else _kind(order, step))
    for first, *more in (tuple(run) for _, run in alike):
        group, run = order.protocol.groups[first], (first, *more)
        shown = _marked([name for step in run for name in order.protocol.groups[step]], order.colours, few)
        places = dict.fromkeys(place for step in run for place in _places(order, step))
        if places:
            shown += Text(("; " if group else "") + "in " + _shortened([*places], few), "dim")
        number = f"{len(run)} x {len(group)}" if more else str(len(group))
        yield f"{first}-{run[-1]}" if more else str(first), number, shown


def _kind(order: Order, step: int) -> tuple[bool, int]:
    """Neighbouring steps of the same kind share a row; the first one has its own."""
    return step == 0, len(order.protocol.groups[step])


def _places(order: Order, step: int) -> tuple[str, ...]:
    return order.protocol.places[step] if order.protocol.places else ()


def _marked(names: Sequence[str], colours: Mapping[str, Colour], few: int | None = None) -> Text:
    """The first `few` names, each behind a mark in its colour if it has one."""
    kept, left = _kept(names, few)
    text = Text(", ").join(_with_mark(name, colours.get(name)) for name in kept)
    return text.append(left, "dim")


def _with_mark(name: str, colour: Colour | None) -> Text:
    return Text(name) if colour is None else Text.assemble((MARK, "rgb({},{},{})".format(*colour)), name)


def _shortened(names: Sequence[str], few: int | None) -> str:
    kept, left = _kept(names, few)
    return ", ".join(kept) + left


def _kept(names: Sequence[str], few: int | None) -> tuple[Sequence[str], str]:
    """The first `few` names (None: all), and how many more there are, in words."""
    kept = names if few is None or len(names) <= few + 1 else names[:few]
    return kept, f" and {len(names) - len(kept)} more" if len(kept) < len(names) else ""
