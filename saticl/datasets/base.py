"""The raw world: an adapter knows how a dataset names its files, a scene is one image with its mask.

Adapters list scenes by file names alone; only `Scene.open` touches pixels. Scenes are plain values, so that they can
be sent to other processes.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from saticl.geo.palette import Palette
from saticl.labels import Colour, Split
from saticl.tasks import Protocol


@dataclass(frozen=True)
class ClassInfo:
    """A class of a dataset; its place in the list is its label."""

    name: str
    colour: Colour


@dataclass(frozen=True)
class Request:
    """What is wanted of a dataset, where it offers a choice."""

    channels: str | None = None
    """Which images; None: the dataset's first kind."""
    dsm: bool = False
    labels: Literal["full", "eroded"] = "full"
    crs: str | None = None
    """Coordinate system of sources that name none."""
    allow_missing: bool = False
    """Accept an incomplete download: only complete scenes are listed."""


@dataclass(frozen=True)
class Scene:
    """One raw image with its mask. Files are named as GDAL names them, members of zip archives included."""

    id: str
    group: str
    """Scenes of one group belong together and are never split."""
    split: Split
    image: str
    mask: str
    dsm: str | None
    bands: tuple[str, ...]
    """Names of the image's bands, in order."""
    palette: Palette
    is_strict: bool
    """Whether a mask with pixels of no class is an error; otherwise they are ignored and counted."""
    crs: str | None


class DatasetAdapter(ABC):
    """A dataset as it is downloaded."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for `list datasets`."""
    classes: tuple[ClassInfo, ...]
    bands: tuple[str, ...]
    """Names of the bands of the default images."""
    background: str | None
    """The class that output index 0 stands for, where the dataset has one."""
    protocols: tuple[Protocol, ...]

    @abstractmethod
    def scenes(self, root: Path, request: Request) -> list[Scene]:
        """The scenes below a folder, in a fixed order.

        Raises MissingRawData where files lack (see `Request.allow_missing`), InvalidOptions for what the dataset does
        not offer.
        """
