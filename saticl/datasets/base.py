"""The raw world: an adapter knows how a dataset names its files, a scene is one image, mostly with its mask.

Adapters list scenes by file names alone; only `reader.open_scene` touches pixels. Scenes are plain values, so that
they can be sent to other processes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from saticl.datasets.listing import ListedFiles
from saticl.errors import InvalidOptions
from saticl.geo.grids import AS_IT_IS, Wanted
from saticl.geo.layer import Layer
from saticl.geo.palette import Palette
from saticl.labels import UNLABELLED, Colour, Split
from saticl.tasks import Protocol
from saticl.views import Views

Value = str | bool
"""What a choice may be: one of several words, or yes or no."""


@dataclass(frozen=True)
class ClassInfo:
    """A class of a dataset; its place in the list is its label."""

    name: str
    colour: Colour


@dataclass(frozen=True)
class Choice:
    """Something that a dataset comes in several kinds of, such as the bands of its images."""

    name: str
    """Also that of the flag: `channels` is chosen with --channels."""
    values: tuple[Value, ...]
    """What it may be; the first is taken where nothing is said. `(False, True)` for a switch."""
    noun: str
    """What is chosen, as a sentence calls it: images."""
    summary: str
    """One line for people."""

    @property
    def is_switch(self) -> bool:
        """Whether it is yes or no, and its flag has no value."""
        return isinstance(self.values[0], bool)

    @property
    def flag(self) -> str:
        """As on the command line: --channels."""
        return "--" + self.name.replace("_", "-")

    @property
    def usage(self) -> str:
        """The flag with what it may be: --channels rgb or irrg or rgbir."""
        return self.flag if self.is_switch else f"{self.flag} {' or '.join(map(str, self.values))}"


@dataclass(frozen=True)
class Request:
    """What is wanted of a dataset."""

    choices: Mapping[str, Value] = field(default_factory=dict)
    """What was chosen, by the name of the choice; the others are as the dataset prefers."""
    crs: str | None = None
    """Coordinate system of sources that name none."""
    allow_missing: bool = False
    """Accept an incomplete download: only complete scenes are listed."""


@dataclass(frozen=True)
class MaskFile:
    """A mask, and what its values mean."""

    path: str
    palette: Palette


@dataclass(frozen=True)
class Polygons:
    """Polygons that are the labels of a scene."""

    layer: Layer
    attribute: str | None
    """What of a polygon tells its class; None: all are of one."""
    labels: tuple[tuple[str, int], ...]
    """Values of the attribute as text, each with its label, in the order in which they are drawn."""
    skipped: tuple[str, ...] = ()
    """Values that are not drawn."""
    all_touched: bool = False
    """Whether a polygon covers all pixels that it touches, instead of those whose centre it holds."""
    area: Layer | None = None
    """Polygons outside of which everything is ignored."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All that is read."""
        return (self.layer,) if self.area is None else (self.layer, self.area)


@dataclass(frozen=True)
class Scene:
    """One raw image, mostly with its mask. Files are named as GDAL names them, members of zip archives included."""

    id: str
    group: str
    """Scenes of one group belong together and are never split."""
    split: Split
    image: str
    mask: str | None
    """None without polygons: nothing is known of its pixels, and all of them are ignored."""
    dsm: str | None
    bands: tuple[str, ...]
    """Names of the image's bands, in order."""
    palette: Palette
    is_strict: bool
    """Whether a mask with pixels of no class is an error; otherwise they are ignored and counted."""
    crs: str | None
    wanted: Wanted = AS_IT_IS
    """On which grid it is read."""
    nodata: float | None = None
    """Value of pixels without data where the image's file names none."""
    overlays: tuple[MaskFile, ...] = ()
    """Masks that lie on the first, the last on top; where they are unlabelled, what is below shows."""
    polygons: Polygons | None = None
    """Labels that are drawn from polygons, on top of all masks."""
    rest: int = UNLABELLED
    """Label of the pixels where nothing is drawn."""
    may_be_grey: bool = False
    """Whether an image of a single band is taken for one of equal bands, as old photographs are."""
    more: tuple[str, ...] = ()
    """Further files of the image, on the same grid: their bands follow those of the first."""

    @property
    def masks(self) -> tuple[MaskFile, ...]:
        """All masks, the lowest first."""
        return (*(() if self.mask is None else (MaskFile(self.mask, self.palette),)), *self.overlays)

    @property
    def label_files(self) -> tuple[str, ...]:
        """All files that its labels come from."""
        drawn = () if self.polygons is None else tuple(layer.path for layer in self.polygons.layers)
        return (*(mask.path for mask in self.masks), *drawn)

    @property
    def files(self) -> tuple[str, ...]:
        """All files that it is read from."""
        return (self.image, *self.more, *self.label_files, *(() if self.dsm is None else (self.dsm,)))


class DatasetAdapter(ABC):
    """A dataset as it is downloaded."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for `list datasets`."""
    licence: str = ""
    """What may be done with it, in a few words; empty where nobody has said it."""
    citation: str = ""
    """What to cite, in a line."""
    classes: tuple[ClassInfo, ...]
    bands: tuple[str, ...]
    """Names of the bands of the default images."""
    background: str | None
    """The class that output index 0 stands for, where the dataset has one."""
    protocols: tuple[Protocol, ...]
    choices: tuple[Choice, ...] = ()
    """What `prepare` may choose; each has a flag of its name."""
    views: Views = Views()
    """How training images may be varied; what is seen from above has no up or down."""
    whole: bool = False
    """Whether images are used whole and stay where they are, instead of being cut into tiles."""

    def chosen(self, request: Request) -> dict[str, Value]:
        """A value for every choice; raises InvalidOptions for a choice or a value that the dataset does not offer."""
        offered = {choice.name: choice for choice in self.choices}
        for name in request.choices:
            if name not in offered:
                offer = ", ".join(choice.usage for choice in self.choices) or "no choices"
                raise InvalidOptions(f"The dataset {self.title} has no --{name.replace('_', '-')}: it offers {offer}.")
        return {name: _value(self.title, choice, request.choices.get(name)) for name, choice in offered.items()}

    @property
    def title(self) -> str:
        """What messages and manifests call it."""
        return self.name

    @abstractmethod
    def scenes(self, root: Path, request: Request) -> list[Scene]:
        """The scenes below a folder, in a fixed order.

        Raises MissingRawData where files are missing (see `Request.allow_missing`), InvalidOptions for what the
        dataset does not offer.
        """

    def listed(self, files: ListedFiles, request: Request) -> list[Scene]:
        """The scenes among files that a list names, as `scenes` finds them below a folder."""
        raise InvalidOptions(
            f"The dataset {self.title} is read from a folder, and {files.title} is a list: download it, and give its "
            "folder as --src."
        )


def _value(dataset: str, choice: Choice, wanted: Value | None) -> Value:
    """The wanted value, or the first; words are found in any case."""
    if wanted is None:
        return choice.values[0]
    for value in choice.values:
        if str(value).lower() == str(wanted).lower():
            return value
    raise InvalidOptions(f"The dataset {dataset} has no {wanted} {choice.noun}: choose {choice.usage}.")
