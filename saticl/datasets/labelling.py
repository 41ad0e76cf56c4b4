"""What a description says of labels: masks, one or several, or polygons, and what is where nothing is drawn."""

import re
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, field_validator, model_validator

from saticl.geo.layer import text

Masks = str | tuple[str, ...] | dict[str, str]
"""One pattern, several from the lowest to the top, or one per class."""

AttributeValue = Annotated[str, BeforeValidator(text)]
"""A value of an attribute, as text whatever it is in the file: 3 is found as 3, 3.0 and "3"."""


def _several(value: object) -> object:
    """One value or several, as several."""
    return value if isinstance(value, list | tuple) else (value,)


Values = Annotated[tuple[AttributeValue, ...], BeforeValidator(_several)]


class Part(BaseModel):
    """Base of the sections of a description."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LayerPart(Part):
    """A file of polygons."""

    file: str
    layer: str | None = None
    crs: str | None = None

    @field_validator("file")
    @classmethod
    def _is_pattern(cls, pattern: str) -> str:
        return checked_pattern(pattern)


class PolygonsPart(LayerPart):
    """Polygons that are the labels."""

    attribute: str | None = None
    classes: dict[str, Values] | None = None
    ignore: Values = ()
    skip: Values = ()
    order: tuple[str, ...] | None = None
    all_touched: bool = False
    area: LayerPart | None = None

    @model_validator(mode="after")
    def _values_differ(self) -> Self:
        if self.attribute is None and (self.classes or self.ignore or self.skip):
            raise ValueError("classes, ignore and skip list values of an attribute: name it with `attribute`")
        taken: dict[str, str] = {}
        entries = [*(self.classes or {}).items(), ("ignore", self.ignore), ("skip", self.skip)]
        for name, value in ((name, value) for name, values in entries for value in values):
            if value in taken:
                raise ValueError(f"the value {value!r} stands for {taken[value]} and for {name}")
            taken[value] = name
        return self

    def drawn(self, names: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The classes `names` in the order they are drawn, each with its values; without attribute, the empty one."""
        values = self.classes or {name: ("" if self.attribute is None else name,) for name in names}
        return tuple((name, values[name]) for name in (self.order or names))

    def check(self, names: tuple[str, ...]) -> None:
        """Raises ValueError where not exactly the classes `names` are drawn."""
        if self.attribute is None and len(names) > 1:
            raise ValueError(
                f"polygons: without `attribute` all polygons are of one class, but there are {', '.join(names)}: name "
                "the attribute that tells them apart, or write the class of the other pixels as `rest`"
            )
        for what, given in (("polygons.classes", self.classes), ("polygons.order", self.order)):
            if given is not None:
                check_names(what, tuple(given), names)


def check_names(what: str, given: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Raises ValueError where the classes given are not those that are wanted, each once."""
    for name in given:
        if name not in wanted:
            raise ValueError(f"{what} names {name!r}, which is not among the classes to draw ({', '.join(wanted)})")
        if given.count(name) > 1:
            raise ValueError(f"{what} names {name!r} twice")
    lacking = [name for name in wanted if name not in given]
    if lacking:
        raise ValueError(
            f"{what} does not name {', '.join(lacking)}: add it, or write the class of the pixels where nothing is "
            "drawn as `rest`"
        )


def checked_pattern(pattern: str) -> str:
    """A pattern of paths; raises ValueError for braces that are no placeholder."""
    if not re.fullmatch(r"[^{}]*(\{[A-Za-z_]\w*\}[^{}]*)*", pattern):
        raise ValueError(f"{pattern!r} has braces without a name: write placeholders like images/{{name}}.tif")
    return pattern


def listed_masks(masks: object) -> object:
    """Masks as a description writes them, checked; raises ValueError for other things."""
    names = masks.values() if isinstance(masks, dict) else masks if isinstance(masks, list | tuple) else [masks]
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError("write a pattern such as masks/{name}.tif, a list of them, or one per class")
    for name in names:
        checked_pattern(str(name))
    return tuple(masks) if isinstance(masks, list) else masks


def mask_patterns(masks: Masks | None) -> Iterator[str]:
    """Every pattern of masks."""
    if masks is not None:
        yield from [masks] if isinstance(masks, str) else masks.values() if isinstance(masks, dict) else masks
