"""The YAML description of a user's own folder of imagery, and what can be wrong with it.

images: "{group}/images/{name}.jpg"     placeholders match one folder or file name, or a part of it
masks: "{group}/masks/{name}.png"        or a list, the last on top, or one pattern per class
dsm: "{group}/dsm/{name}.tif"           optional, for --dsm
bands: [red, green, blue]
classes:                                a colour (hexadecimal or [r, g, b]) or a number per class
  building: "#3C1098"
ignore: ["#000000"]                     colours or numbers without a class; numbers may be negative
colours:                                optional: how classes look in maps, where it is not as in the masks
  building: "#FF0000"
unlabelled: []                          colours or numbers that say that nobody has drawn a class
polygons:                               instead of masks (see labelling.py); then classes need no colour
  file: "labels/{name}.gpkg"            or one file for all images
  layer: landuse                        where the file has several
  crs: EPSG:32633                       instead of what the file says; image: that of the image
  attribute: kind                       what tells the class; not needed for a single one
  classes: {building: [house, shed]}    values of each class; without it, they are called as the classes
  ignore: [unknown]                     values whose pixels are ignored, on top of all others
  skip: [parcel]                        values that are not drawn
  order: [road, building]               what is drawn later lies on top; without it, the order of classes
  all_touched: false                    true: a polygon covers all pixels that it touches
  area: {file: "areas/{name}.gpkg"}     outside of these polygons, everything is ignored
licence: CC BY 4.0                      optional: what may be done with the imagery
citation: Doe et al., 2026              optional: what to cite
rest: land                              optional: the class of the pixels where nothing is drawn
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
whole: true                             optional: images are used whole and stay where they are, not cut into tiles
"""

import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from saticl.datasets.colours import MapColour, Value, known_colours, shown
from saticl.datasets.labelling import (
    Masks,
    Part,
    PolygonsPart,
    check_names,
    checked_pattern,
    listed_masks,
    mask_patterns,
)
from saticl.geo.palette import distinct_colours
from saticl.labels import MAX_CLASSES, Colour
from saticl.options import folder_name
from saticl.protocol_files import inherited
from saticl.tasks import OFFLINE, TAKEN, Protocol, offline
from saticl.views import Views


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
    places: tuple[tuple[str, ...], ...] = ()

    def background_on(self, dataset: str | None) -> str | None:
        """The background of this order in a dataset with that one."""
        return self.background if "background" in self.model_fields_set else inherited(dataset, self.steps)


class Description(Part):
    """What the YAML file says."""

    name: str | None = None
    images: str
    masks: Annotated[Masks | None, BeforeValidator(listed_masks)] = None
    dsm: str | None = None
    bands: Annotated[tuple[str, ...], Field(min_length=1)]
    classes: Annotated[dict[str, Value], Field(min_length=1, max_length=MAX_CLASSES)]
    ignore: tuple[Value, ...] = ()
    colours: dict[str, MapColour] = Field(default_factory=dict)
    unlabelled: tuple[Value, ...] = ()
    polygons: PolygonsPart | None = None
    rest: str | None = None
    background: str | None = None
    split: SplitPart | None = None
    protocols: dict[str, ProtocolPart] = Field(default_factory=dict)
    views: Views = Views()
    whole: bool = False
    licence: str = ""
    citation: str = ""

    @model_validator(mode="before")
    @classmethod
    def _colours_where_none_is_needed(cls, content: object) -> object:
        """Masks of single classes and polygons need names only: classes without a colour get one."""
        if not isinstance(content, dict) or not _is_drawn(content):
            return content
        classes = content.get("classes")
        classes = dict.fromkeys(classes) if isinstance(classes, list) else classes
        if not isinstance(classes, dict):
            return content
        colours = zip(classes.items(), distinct_colours(len(classes)), strict=True)
        return content | {"classes": {key: list(colour) if own is None else own for (key, own), colour in colours}}

    @field_validator("images", "dsm")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        return None if pattern is None else checked_pattern(pattern)

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
            folder_name(name)
        return name

    @field_validator("protocols")
    @classmethod
    def _name_folders(cls, protocols: dict[str, ProtocolPart]) -> dict[str, ProtocolPart]:
        for name in protocols:
            folder_name(name)
        if OFFLINE in protocols:
            raise ValueError(TAKEN)
        return protocols

    @model_validator(mode="after")
    def _values_differ(self) -> Self:
        values = [*self.classes.values(), *self.ignore, *self.unlabelled]
        if len({isinstance(value, int) for value in values}) > 1:
            raise ValueError(
                "classes, ignore and unlabelled mix colours and numbers: write all of them in one way (colours quoted)"
            )
        names: dict[Colour | int, str] = {}
        others = [("ignore", set(self.ignore)), ("unlabelled", set(self.unlabelled))]
        for name, value in [*self.classes.items(), *((name, value) for name, values in others for value in values)]:
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
        for key, pattern in self._patterns:
            for name in placeholders(pattern):
                if name not in known:
                    raise ValueError(f"{key} uses {{{name}}}, which images does not have ({', '.join(known)})")
        if self.split is not None and self.split.by not in (*known, "scene"):
            raise ValueError(f"split.by is {self.split.by!r}, but must be one of {', '.join((*known, 'scene'))}")
        return self

    @model_validator(mode="after")
    def _labels_are_whole(self) -> Self:
        if (self.masks is None) == (self.polygons is None):
            raise ValueError("the labels are either `masks` or `polygons`: write one of both")
        if self.rest is not None and self.rest not in self.classes:
            raise ValueError(f"rest is {self.rest!r}, but must be one of {', '.join(self.classes)}")
        if self.polygons is not None or isinstance(self.masks, dict):
            if self.is_indexed or self.ignore or self.unlabelled:
                raise ValueError("only masks of several classes hold numbers, `ignore` and `unlabelled`: remove them")
            if self.polygons is not None:
                self.polygons.check(self.drawn)
            elif isinstance(self.masks, dict):
                check_names("masks", tuple(self.masks), self.drawn)
        elif isinstance(self.masks, tuple) and len(self.masks) > 1 and not self.unlabelled:
            raise ValueError("of several masks only the last is seen: say in `unlabelled` where the others show")
        return self

    @property
    def drawn(self) -> tuple[str, ...]:
        """The classes that labels are drawn of: all but `rest`."""
        return tuple(name for name in self.classes if name != self.rest)

    @property
    def _patterns(self) -> list[tuple[str, str]]:
        """Patterns beside that of the images, by their key."""
        patterns = [("masks", pattern) for pattern in mask_patterns(self.masks)]
        if self.polygons is not None:
            area = self.polygons.area
            patterns.append(("polygons.file", self.polygons.file))
            patterns += [] if area is None else [("polygons.area.file", area.file)]
        return patterns + ([] if self.dsm is None else [("dsm", self.dsm)])

    @property
    def is_indexed(self) -> bool:
        """Whether masks hold numbers instead of colours."""
        return isinstance(next(iter(self.classes.values())), int)

    @property
    def learning_orders(self) -> tuple[Protocol, ...]:
        """The protocols, `offline` first."""
        own = (
            Protocol(name, part.steps, part.background_on(self.background), places=part.places)
            for name, part in self.protocols.items()
        )
        return offline(tuple(self.classes), self.background), *own


def placeholders(pattern: str) -> tuple[str, ...]:
    """Names in braces, in order, each once."""
    return tuple(dict.fromkeys(re.findall(r"\{(\w+)\}", pattern)))


def _is_drawn(content: dict[str, Any]) -> bool:
    """Whether labels are drawn class by class, so that classes need no colour or number."""
    return "polygons" in content or isinstance(content.get("masks"), dict)
