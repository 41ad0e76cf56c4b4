"""The YAML description of a user's own folder of imagery, and what can be wrong with it.

images: "{group}/images/{name}.jpg"     placeholders match one folder or file name, or a part of it
masks: "{group}/masks/{name}.png"
dsm: "{group}/dsm/{name}.tif"           optional, for --dsm
bands: [red, green, blue]
classes:                                a colour (hexadecimal or [r, g, b]) or a number per class
  building: "#3C1098"
ignore: ["#000000"]                     colours or numbers without a class; numbers may be negative
colours:                                optional: how classes look in maps, where it is not as in the masks
  building: "#FF0000"
background: land                        optional: the class that is learned as background
split:                                  optional: without it, all scenes are for training
  by: group                             a placeholder, or scene
  train: [Tile 1, Tile 3]               values, or the name of a text file with one per line
  val: [Tile 5]                         optional: without it, some of the training scenes are kept for validation
  test: [Tile 2]
  skip: [Tile 4]                        left out on purpose
protocols:                              optional: learning orders beside `offline`
  2s: {steps: [[building], [road]]}
views:                                  optional: how training images are varied (see saticl/views.py)
  symmetries: mirror                    square (from above), mirror (left-right only) or none
  crop: scale                           enlarge (parts of the image) or scale (made larger or smaller, then cut)
  scale: [0.5, 2]                       smallest and largest factor of `crop: scale`
"""

import re
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from saticl.datasets.colours import MapColour, Value, known_colours, shown
from saticl.errors import InvalidOptions
from saticl.labels import MAX_CLASSES, Colour
from saticl.protocol_files import inherited
from saticl.tasks import OFFLINE, TAKEN, Protocol, offline
from saticl.views import Views


class Part(BaseModel):
    """Base of the sections."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitPart(Part):
    """Which scenes are for what."""

    by: str = "scene"
    train: tuple[str | int, ...] | str = ()
    val: tuple[str | int, ...] | str = ()
    test: tuple[str | int, ...] | str = ()
    skip: tuple[str | int, ...] | str = ()


class ProtocolPart(Part):
    """A learning order."""

    steps: tuple[tuple[str, ...], ...]
    background: str | None = None

    def background_on(self, dataset: str | None) -> str | None:
        """The background of this order in a dataset with that one."""
        return self.background if "background" in self.model_fields_set else inherited(dataset, self.steps)


class Description(Part):
    """What the YAML file says."""

    name: str | None = None
    images: str
    masks: str
    dsm: str | None = None
    bands: Annotated[tuple[str, ...], Field(min_length=1)]
    classes: Annotated[dict[str, Value], Field(min_length=1, max_length=MAX_CLASSES)]
    ignore: tuple[Value, ...] = ()
    colours: dict[str, MapColour] = {}
    background: str | None = None
    split: SplitPart | None = None
    protocols: dict[str, ProtocolPart] = {}
    views: Views = Views()

    @field_validator("images", "masks", "dsm")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None and not re.fullmatch(r"[^{}]*(\{[A-Za-z_]\w*\}[^{}]*)*", pattern):
            raise ValueError(f"{pattern!r} has braces without a name: write placeholders like images/{{name}}.tif")
        return pattern

    @field_validator("images")
    @classmethod
    def _has_placeholders(cls, pattern: str) -> str:
        if not placeholders(pattern):
            raise ValueError(f"{pattern!r} needs placeholders: write it like images/{{name}}.tif")
        return pattern

    @field_validator("bands")
    @classmethod
    def _are_bands(cls, bands: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(bands)) < len(bands) or "dsm" in bands:
            raise ValueError("every band needs a different name, and the name dsm is kept for the surface model")
        return bands

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str | None) -> str | None:
        if name is not None:
            _check_folder_name(name)
        return name

    @field_validator("protocols")
    @classmethod
    def _name_folders(cls, protocols: dict[str, ProtocolPart]) -> dict[str, ProtocolPart]:
        for name in protocols:
            _check_folder_name(name)
        if OFFLINE in protocols:
            raise ValueError(TAKEN)
        return protocols

    @model_validator(mode="after")
    def _values_differ(self) -> Self:
        values = [*self.classes.values(), *self.ignore]
        if len({isinstance(value, int) for value in values}) > 1:
            raise ValueError(
                "classes and ignore mix colours and numbers: write all of them in one way (colours quoted)"
            )
        names: dict[Colour | int, str] = {}
        for name, value in [*self.classes.items(), *(("ignore", value) for value in set(self.ignore))]:
            if value in names:
                raise ValueError(f"{name} and {names[value]} have the same colour or number {shown(value)}")
            names[value] = name
        return self

    @model_validator(mode="after")
    def _colours_differ(self) -> Self:
        known_colours(self.classes, self.colours)
        return self

    @model_validator(mode="after")
    def _placeholders_are_known(self) -> Self:
        known = placeholders(self.images)
        for key, pattern in (("masks", self.masks), ("dsm", self.dsm)):
            for name in placeholders(pattern or ""):
                if name not in known:
                    raise ValueError(f"{key} uses {{{name}}}, which images does not have ({', '.join(known)})")
        if self.split is not None and self.split.by not in (*known, "scene"):
            raise ValueError(f"split.by is {self.split.by!r}, but must be one of {', '.join((*known, 'scene'))}")
        return self

    @property
    def is_indexed(self) -> bool:
        """Whether masks hold numbers instead of colours."""
        return isinstance(next(iter(self.classes.values())), int)

    @property
    def learning_orders(self) -> tuple[Protocol, ...]:
        """The protocols, `offline` first."""
        own = (
            Protocol(name, part.steps, part.background_on(self.background)) for name, part in self.protocols.items()
        )
        return offline(tuple(self.classes), self.background), *own


def load(path: Path) -> Description:
    """Read and check a description; raises InvalidOptions with one sentence, UnknownName for an unknown class."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
        description = Description.model_validate(content)
    except OSError as error:
        raise InvalidOptions(f"The description {path} cannot be read: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidOptions(f"The description {path} is not valid YAML: {' '.join(str(error).split())}.") from error
    except ValidationError as error:
        raise InvalidOptions(f"The description {path} cannot be used: {_first(error)}.") from error
    for protocol in description.learning_orders:
        protocol.validate(tuple(description.classes))
    return description


def placeholders(pattern: str) -> tuple[str, ...]:
    """Names in braces, in order, each once."""
    return tuple(dict.fromkeys(re.findall(r"\{(\w+)\}", pattern)))


def _check_folder_name(name: str) -> None:
    """Runs are written to <output>/<dataset>/<task>."""
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        raise ValueError(f"{name!r} becomes the name of a folder: write it without slashes")


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key may occur once: of two classes of one name, the first would silently vanish."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _first(error: ValidationError) -> str:
    """The first mistake, in words."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{place!r} is not a valid key; valid keys are {', '.join(_keys(first['loc']))}"
    if first["type"] == "missing":
        return f"{place!r} is missing"
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _keys(place: tuple[int | str, ...]) -> list[str]:
    section: dict[object, type[BaseModel]] = {"split": SplitPart, "protocols": ProtocolPart, "views": Views}
    return list((section.get(place[0], Description) if len(place) > 1 else Description).model_fields)
