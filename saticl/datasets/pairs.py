"""Datasets of many images, each with a mask: what most of them share, so that a new one is mostly data.

A dataset says by regular expressions what each file holds, and which scene it belongs to. Paths are compared in lower
case, from their end: whatever lies above the folders that an expression names, folders and archives, does not matter.
"""

import hashlib
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

from saticl.datasets.base import ClassInfo, DatasetAdapter, Request, Scene, Value
from saticl.datasets.files import RawFile, raw_files
from saticl.errors import MissingRawData
from saticl.geo.palette import Palette
from saticl.geo.raster import parse_crs
from saticl.labels import Colour, Split
from saticl.sentences import some_of
from saticl.tasks import Protocol

RGB = ("red", "green", "blue")
"""Bands of most images."""

BELOW = r"(?:.*/)?"
"""In an expression: any folders, or none."""

RASTER = r"\.(?:tiff?|png|jpe?g)"
"""In an expression: the ending of any raster."""

IMAGE, MASK = "image", "mask"
"""What files hold, for all datasets of this kind."""

Values = Mapping[str, str | None]
"""What the named groups of an expression found in a path; None for a group that had no part in it."""

Patterns = Mapping[str, tuple[str, ...]]
"""Expressions for paths, by what such a file holds, in the words of messages; the first that fits is taken."""


class Slot(NamedTuple):
    """The scene that a file belongs to."""

    id: str
    group: str
    """Scenes of one group belong together and are never split."""
    split: Split


SlotOf = Callable[[Values], Slot | None]
"""Which scene a file belongs to by its path; None: it is left out, as images without labels are."""


@dataclass(frozen=True)
class Found:
    """A scene and the files it has."""

    slot: Slot
    files: dict[str, str] = field(default_factory=dict)
    """By what they hold."""


class PairedDataset(DatasetAdapter):
    """A dataset of images with one mask each; a subclass is data, and a rule for the scene of a file."""

    protocols: tuple[Protocol, ...] = ()
    background: str | None = None
    bands: tuple[str, ...] = RGB
    tree: ClassVar[str]
    """What a folder of it looks like, for people."""
    patterns: ClassVar[Patterns]
    palette: ClassVar[Palette]

    @abstractmethod
    def slot(self, values: Values) -> Slot | None:
        """Which scene a file belongs to, by the named groups of its pattern; None: it is left out."""

    def wanted(self, chosen: Mapping[str, Value]) -> Patterns:
        """The patterns of all files that a scene has, as it was chosen."""
        del chosen
        return self.patterns

    def made(self, found: Found, chosen: Mapping[str, Value], crs: str | None) -> Scene:
        """A scene of its files."""
        del chosen
        return Scene(
            id=found.slot.id,
            group=found.slot.group,
            split=found.slot.split,
            image=found.files[IMAGE],
            mask=found.files[MASK],
            dsm=None,
            bands=self.bands,
            palette=self.palette,
            is_strict=False,
            crs=crs,
        )

    def scenes(self, root: Path, request: Request) -> list[Scene]:
        """See DatasetAdapter; pixels of no class are ignored and counted."""
        return self.gathered(root, request, self.slot)

    def gathered(self, root: Path, request: Request, slot: SlotOf, expected: Iterable[Slot] = ()) -> list[Scene]:
        """The scenes of a folder, by id; those that are `expected` lack everything where nothing of them is found.

        Raises MissingRawData where files are missing.
        """
        chosen = self.chosen(request)
        if request.crs is not None:
            parse_crs(request.crs)
        patterns = self.wanted(chosen)
        found = {one.id: Found(one) for one in expected}
        for file in _files(root, self.heading, self.tree):
            _file(file, patterns, slot, found)
        complete = self._complete(root, list(patterns), found, request)
        return [self.made(one, chosen, request.crs) for one in complete]

    @property
    def heading(self) -> str:
        """What people call the dataset: what stands before the colon of its summary."""
        return self.summary.partition(":")[0]

    def _complete(self, root: Path, kinds: list[str], found: Mapping[str, Found], request: Request) -> list[Found]:
        lacking = {name: [kind for kind in kinds if kind not in found[name].files] for name in sorted(found)}
        lacking = {name: missing for name, missing in lacking.items() if missing}
        complete = [found[name] for name in sorted(found) if name not in lacking]
        if not found:
            raise MissingRawData(f"{root} holds no labelled scene of {self.heading}. Expected there:\n{self.tree}")
        if not complete or (lacking and not request.allow_missing):
            raise MissingRawData(self._what_lacks(root, lacking, len(complete)), lacking)
        return complete

    def _what_lacks(self, root: Path, lacking: Mapping[str, list[str]], complete: int) -> str:
        named = [f"{scene} ({', '.join(kinds)})" for scene, kinds in lacking.items()]
        number = "1 scene lacks" if len(lacking) == 1 else f"{len(lacking):,} scenes lack"
        sentence = f"The download of {self.heading} in {root} is incomplete: {number} files: {some_of(named)}."
        if not complete:
            return f"{sentence} No scene is complete. Expected there:\n{self.tree}"
        scenes = "the complete scene" if complete == 1 else f"the {complete:,} complete scenes"
        return f"{sentence} Download them, or add --allow-missing to cut {scenes}."


def table(*rows: tuple[str, Colour]) -> tuple[ClassInfo, ...]:
    """Classes by dataset label."""
    return tuple(ClassInfo(name, colour) for name, colour in rows)


def colours_of(classes: Iterable[ClassInfo]) -> tuple[Colour, ...]:
    """Their colours, in order."""
    return tuple(entry.colour for entry in classes)


def is_held_out(name: str, share: float = 0.2) -> bool:
    """Whether a name is for testing where nobody has published a split: by its SHA-256, the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) < share * 2**64


def _files(root: Path, title: str, tree: str) -> list[RawFile]:
    if not root.is_dir():
        raise MissingRawData(f"The folder {root} does not exist. Expected for {title}:\n{tree}")
    return raw_files(root)


def _file(file: RawFile, patterns: Patterns, slot: SlotOf, found: dict[str, Found]) -> None:
    """Put a file to its scene; where several files are the same thing, the first is taken."""
    path = "/".join((*file.folders, file.name))
    for kind, expressions in patterns.items():
        for expression in expressions:
            match = re.fullmatch(BELOW + expression, path)
            if match is not None:
                place = slot(match.groupdict())
                if place is not None:
                    found.setdefault(place.id, Found(place)).files.setdefault(kind, file.path)
                return
