"""A user's own imagery, from a YAML description (see description.py) and without Python."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from saticl.datasets.base import Choice, ClassInfo, DatasetAdapter, Request, Scene, Value
from saticl.datasets.colours import map_colours
from saticl.datasets.description import Description, placeholders
from saticl.datasets.description_file import load
from saticl.datasets.listing import Files, ListedFiles, LocalFiles
from saticl.datasets.scene_labels import masks_of, polygons_of, rest_of
from saticl.errors import InvalidOptions, MissingRawData
from saticl.geo.palette import ExactPalette, IndexPalette, Palette
from saticl.geo.raster import parse_crs
from saticl.labels import Split
from saticl.sentences import some_of
from saticl.tasks import Protocol

DSM = Choice(
    "dsm",
    (False, True),
    "surface model",
    "add the surface model as a last band, where the description has a pattern `dsm`",
)

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Found:
    """An image that the pattern matches."""

    id: str
    values: Mapping[str, str]
    """Of the placeholders."""
    image: str


class Folder(DatasetAdapter):
    """The adapter of a description."""

    name = "folder"
    summary = "your own folder: --dataset path/to/description.yaml, see configs/dubai.yaml"
    classes: tuple[ClassInfo, ...] = ()
    bands: tuple[str, ...] = ()
    background: str | None = None
    protocols: tuple[Protocol, ...] = ()
    choices: tuple[Choice, ...] = (DSM,)

    def __init__(self, description: Description, title: str, place: Path) -> None:
        self.description, self.place = description, place
        self._title = description.name or title
        colours = map_colours(description.classes, description.colours)
        self.classes = tuple(
            ClassInfo(name, colour) for name, colour in zip(description.classes, colours, strict=True)
        )
        self.bands = description.bands
        self.background = description.background
        self.licence, self.citation = description.licence, description.citation
        self.protocols = description.learning_orders
        self.choices = (DSM,) if description.dsm else ()
        self.views = description.views
        self.whole = description.whole

    @property
    def title(self) -> str:
        """The name in the description, or that of its file."""
        return self._title

    @classmethod
    def from_file(cls, path: Path) -> "Folder":
        """Read a description; raises InvalidOptions or UnknownName where it cannot be used."""
        return cls(load(path), path.stem, path.parent)

    def chosen(self, request: Request) -> dict[str, Value]:
        """See DatasetAdapter."""
        if request.choices.get("dsm") and self.description.dsm is None:
            raise InvalidOptions(f"--dsm needs a pattern `dsm` in the description of {self.title}.")
        return super().chosen(request)

    def scenes(self, root: Path, request: Request) -> list[Scene]:
        """See DatasetAdapter; an id is made of the values of the placeholders."""
        if not root.is_dir():
            raise MissingRawData(f"The folder {root} does not exist; expected in it: {self.description.images}.")
        return self._scenes(LocalFiles(root), request)

    def listed(self, files: ListedFiles, request: Request) -> list[Scene]:
        """See DatasetAdapter; patterns are compared with the names in the list."""
        return self._scenes(files, request)

    def _scenes(self, root: Files, request: Request) -> list[Scene]:
        if request.crs is not None:
            parse_crs(request.crs)
        with_dsm = bool(self.chosen(request).get("dsm"))
        found = self._images(root)
        splits = self._splits(root, found)
        scenes: list[Scene] = []
        lacking: dict[str, list[str]] = {}
        for image in found:
            split = splits[image.id]
            if split is not None:
                found_files = _Finder(root)
                scene = self._scene(found_files, image, split, with_dsm, request.crs)
                lacking |= {image.id: found_files.lacking} if found_files.lacking else {}
                scenes += [] if found_files.lacking else [scene]
        if not scenes or (lacking and not request.allow_missing):
            raise MissingRawData(self._what_lacks(root, lacking, len(scenes)), lacking)
        return scenes

    def _images(self, root: Files) -> list[Found]:
        pattern, names = _regex(self.description.images), placeholders(self.description.images)
        paths = root.names()
        matches = ((path, match) for path in paths if (match := pattern.fullmatch(path)))
        found = [
            Found(_scene_id([match[name] for name in names]), match.groupdict(), str(root.find(path)))
            for path, match in matches
        ]
        if not found:
            example = f", but for example {paths[0]}" if paths else ""
            raise MissingRawData(f"No file below {root.title} matches images: {self.description.images!r}{example}.")
        ids = [image.id for image in found]
        twice = next((name for name in ids if ids.count(name) > 1), None) if len(set(ids)) < len(ids) else None
        if twice is not None:
            raise InvalidOptions(f"Two images have the name {twice!r}: rename one, or add a placeholder to `images`.")
        return found

    def _splits(self, root: Files, found: list[Found]) -> dict[str, Split | None]:
        """The split of each scene; None for those that are skipped."""
        split = self.description.split
        if split is None:
            return dict.fromkeys((image.id for image in found), "train")
        keys = {image.id: image.id if split.by == "scene" else image.values[split.by] for image in found}
        places: dict[str, str] = {}
        for place, entry in (("train", split.train), ("val", split.val), ("test", split.test), ("skip", split.skip)):
            for value in self._listed(root, place, entry):
                if value not in keys.values():
                    raise InvalidOptions(f"split.{place} names {value!r}, but no image has it as {split.by}.")
                if value in places:
                    raise InvalidOptions(f"split.{place} names {value!r}, which split.{places[value]} names already.")
                places[value] = place
        unlisted = sorted({key for key in keys.values() if key not in places})
        if unlisted:
            raise InvalidOptions(
                f"The split of {self.title} says nothing about {some_of(unlisted)}: list each {split.by} under train, "
                "val, test, or skip."
            )
        return {name: _split(places[key]) for name, key in keys.items()}

    def _listed(self, root: Files, place: str, entry: tuple[str | int, ...] | str) -> list[str]:
        """Values of a split: written out, or one per line of a text file beside the description or the imagery."""
        if not isinstance(entry, str):
            return [str(value) for value in entry]
        for path in (self.place / entry, root.find(entry)):
            if path is not None and Path(path).is_file():
                lines = _lines(Path(path), place)
                return [re.sub(r"\.(tiff?|png|jpe?g)$", "", line.strip()) for line in lines if line.strip()]
        raise InvalidOptions(f"split.{place} is {entry!r}, but there is no such file in {self.place} or {root.title}.")

    def _scene(self, where: "_Finder", image: Found, split: Split, with_dsm: bool, crs: str | None) -> Scene:
        description = self.description
        by = "scene" if description.split is None else description.split.by
        palette = _palette(description)
        masks = masks_of(description, palette, where, image.values)
        return Scene(
            id=image.id,
            group=image.values.get(by, image.values.get("group", image.id)),
            split=split,
            image=image.image,
            mask=masks[0].path if masks else None,
            dsm=where(description.dsm.format(**image.values)) if with_dsm and description.dsm else None,
            bands=description.bands,
            palette=masks[0].palette if masks else palette,
            is_strict=True,
            crs=crs,
            overlays=masks[1:],
            polygons=polygons_of(description, where, image.values),
            rest=rest_of(description),
        )

    def _what_lacks(self, root: Files, lacking: Mapping[str, list[str]], complete: int) -> str:
        if not lacking:
            return f"All images of {self.title} below {root.title} are skipped: list some under train or test."
        files = [file for of_scene in lacking.values() for file in of_scene]
        advice = f"add --allow-missing to cut the {complete} complete scenes" if complete else "no scene is complete"
        return f"{len(files)} files of {self.title} are missing below {root.title}: {some_of(files)}; {advice}."


class _Finder:
    """Where the files of a scene are; remembers those that are nowhere."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.lacking: list[str] = []

    def __call__(self, name: str) -> str:
        """The file of that name; the name itself where there is none."""
        found = self.files.find(name)
        if found is None:
            self.lacking.append(name)
        return found or name


def _palette(description: Description) -> Palette:
    columns = tuple(description.classes.values()), description.ignore, description.unlabelled
    if description.is_indexed:
        return IndexPalette(*(tuple(value for value in column if isinstance(value, int)) for column in columns))
    return ExactPalette(*(tuple(value for value in column if not isinstance(value, int)) for column in columns))


def _regex(pattern: str) -> re.Pattern[str]:
    """A pattern of paths as a regular expression; the second place of a placeholder must repeat the first."""
    known: set[str] = set()
    parts: list[str] = []
    for piece in re.split(r"(\{[^{}]*\})", pattern):
        name = piece[1:-1] if piece.startswith("{") else None
        if name is None:
            parts.append(re.escape(piece))
        elif name in known:
            parts.append(f"(?P={name})")
        else:
            known.add(name)
            parts.append(f"(?P<{name}>[^/]+?)")
    return re.compile("".join(parts))


def _lines(path: Path, place: str) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOptions(
            f"split.{place}: {path} cannot be read as text ({error}): give a file with one name per line."
        ) from error


def _scene_id(values: list[str]) -> str:
    """A name that any file system takes: letters and digits of any alphabet."""
    return re.sub(r"[^\w.-]+", "_", "-".join(values)).lstrip(".")


def _split(place: str) -> Split | None:
    return next((split for split in SPLITS if split == place), None)
