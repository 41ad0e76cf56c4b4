"""What a program has to know of an exported model: written into its file, and into the file beside it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, Self

import saticl
from saticl.labels import Colour
from saticl.runs.folder import Finished
from saticl.runs.records import Record


class OutputClass(Record):
    """A channel of the output."""

    index: int
    name: str
    colour: Colour


class Source(Record):
    """The type and range of the images a step was trained on, as far as they are known."""

    dtype: str | None = None
    highest: tuple[float, ...] = ()
    """Largest value per band; empty: not known."""


class Facts(Record):
    """Everything about an exported step but its weights."""

    format: Literal[1] = 1
    classes: tuple[OutputClass, ...]
    """By output index, background first."""
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Of the raw values, per band."""
    normalized: bool
    """Whether the model normalises raw values itself; otherwise its user does, with mean and std."""
    tile_size: int | None
    """Side of the only tiles the model takes; None: it takes every size."""
    ground_size: float | None
    """Metres of ground per pixel; None: not known."""
    source: Source
    dataset: str
    run: str
    protocol: str
    groups: tuple[tuple[str, ...], ...]
    """The classes of every step of the protocol, also of those to come."""
    background: str | None
    step: int
    method: str
    encoder: str
    decoder: str
    pretrained: bool
    parameters: int
    version: str
    """Of saticl, when it was exported."""
    date: str
    """When it was exported: UTC, ISO 8601."""

    @classmethod
    def of(
        cls, finished: Finished, parameters: int, source: Source, *, normalized: bool, tile_size: int | None
    ) -> Self:
        """Those of a finished step, now."""
        info = finished.info
        named = zip(info.task.names, info.output_colours, strict=True)
        return cls(
            classes=tuple(OutputClass(index=i, name=name, colour=c) for i, (name, c) in enumerate(named)),
            bands=info.bands,
            mean=info.mean,
            std=info.std,
            normalized=normalized,
            tile_size=tile_size,
            ground_size=info.ground_size,
            source=source,
            dataset=info.dataset,
            run=finished.folder.resolve().parent.name,
            protocol=info.protocol_name,
            groups=info.groups,
            background=info.background,
            step=info.step,
            method=info.method,
            encoder=info.model.encoder,
            decoder=info.model.decoder,
            pretrained=info.model.pretrained or info.model.weights is not None,
            parameters=parameters,
            version=saticl.__version__,
            date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    @property
    def name(self) -> str:
        """What to call the model."""
        return f"{self.dataset} {self.protocol} {self.run} step {self.step}"

    @property
    def learned(self) -> Sequence[Sequence[str]]:
        """The classes of every step up to this one."""
        return self.groups[: self.step + 1]


def hexadecimal(colour: Colour) -> str:
    """A colour as RRGGBB."""
    return "".join(f"{value:02X}" for value in colour)
