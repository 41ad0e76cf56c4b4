"""`dataset.json`: what a prepared folder holds. It is written last, so its presence means the folder is complete."""

from pathlib import Path, PurePosixPath
from statistics import median
from typing import Annotated, Literal, Self

from affine import Affine
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saticl.errors import MissingTiles
from saticl.files import write_atomically
from saticl.geo.ground import ground_size
from saticl.geo.raster import crs_of
from saticl.labels import Split
from saticl.protocol_files import protocol_from_dict
from saticl.tasks import Protocol, find_protocol
from saticl.views import Views

MANIFEST = "dataset.json"
"""Name of the manifest in a prepared folder."""

DSM = "dsm"
"""Name of the band that lies in a file of its own."""

Channel = Annotated[int, Field(ge=0, le=255)]

RootName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]+$")]
"""Of at least two letters, so that no drive is meant."""


class Entry(BaseModel):
    """Base of the manifest's records: frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassEntry(Entry):
    """A class; its place in the list is its label in the masks."""

    name: str
    colour: tuple[Channel, Channel, Channel]


class ProtocolEntry(Entry):
    """A learning order, in class names."""

    steps: list[list[str]]
    background: str | None = None
    places: list[list[str]] = []
    """The groups of scenes whose tiles each step may use; empty: all."""
    aliases: list[str] = []


class Statistics(Entry):
    """Mean, deviation and largest value per band, in raw units, over the valid pixels of the training scenes."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    highest: tuple[float, ...] = ()
    """Largest value per band; of folders prepared earlier it is not known."""


class SceneEntry(Entry):
    """What was cut from one scene, and how clean its mask was. Every pixel counts once."""

    id: str
    group: str
    split: Split
    height: int
    width: int
    tiles: int
    skipped: int = 0
    """Tiles that were left out because too few of their pixels hold data."""
    counts: tuple[int, ...]
    """Pixels per dataset label."""
    ignored: int
    """Pixels with label 255: declared as ignored, without data, or of no class."""
    unlabelled: int = 0
    """Pixels with label 254: nobody has drawn a class there."""
    inexact: int
    """Pixels whose colour is not exactly one of the palette's."""
    residual: int
    """Pixels of no class even after thresholding; they are ignored."""
    crs: str | None
    transform: tuple[float, float, float, float, float, float]
    notes: tuple[str, ...] = ()
    """Defects that were repaired."""


class Manifest(Entry):
    """A prepared dataset."""

    format: Literal[1] = 1
    version: str
    """Version of saticl that wrote it."""
    dataset: str
    licence: str = ""
    """What may be done with the imagery, as far as it is known."""
    citation: str = ""
    """What to cite."""
    classes: tuple[ClassEntry, ...]
    background: str | None = None
    """The class that output index 0 stands for, where the dataset has one."""
    protocols: dict[str, ProtocolEntry]
    bands: tuple[str, ...]
    """Names of all bands; `dsm`, if present, is the last and lies in a file of its own."""
    dtype: Literal["uint8", "uint16", "float32"]
    """Type of the image files; DSM files are float32."""
    statistics: Statistics
    tile_size: int | None
    """Side of the tiles, to which smaller ones are padded; None: every tile keeps its own shape."""
    overlap: int
    roots: dict[RootName, str] = {}
    """Folders of original files that tiles point at instead of copies, by the name that stands before the colon; a
    path that is not absolute is relative to the prepared folder."""
    views: Views = Views()
    """Which variations suit the images; of folders prepared earlier, those of aerial images."""
    options: dict[str, str | int | float | bool | None]
    """What `prepare` was asked for."""
    scenes: tuple[SceneEntry, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by dataset label."""
        return tuple(entry.name for entry in self.classes)

    @property
    def has_dsm(self) -> bool:
        """Whether the tiles have a surface model."""
        return self.bands[-1] == DSM

    @property
    def ground_size(self) -> float | None:
        """Metres of ground per pixel, the median over the scenes; None where no scene says where it lies."""
        sizes = [ground_size(Affine(*scene.transform), crs_of(scene.crs)) for scene in self.scenes]
        known = [size for size in sizes if size is not None]
        return float(median(known)) if known else None

    def protocol(self, name: str) -> Protocol:
        """The protocol of that name; `offline` is always known. Raises UnknownName listing the others."""
        known = {key: protocol_from_dict(key, entry.model_dump()) for key, entry in self.protocols.items()}
        return find_protocol(name, known, self.class_names, self.background)

    def locate(self, root: Path, name: str) -> Path:
        """Where a file of the index lies, in the prepared folder `root` or among the originals.

        Raises MissingTiles for a root that the manifest does not name, and for a path that leaves its root.
        """
        origin, colon, inner = name.partition(":") if ":" in name else ("", "", name)
        path = PurePosixPath(inner)
        if path.is_absolute() or ".." in path.parts:
            raise MissingTiles(f"The index of {root} names the file {name!r}, which is outside its folder.")
        if not colon:
            return root / inner
        if origin not in self.roots:
            known = ", ".join(self.roots) or "none"
            raise MissingTiles(
                f"The index of {root} names the file {name!r}, but {MANIFEST} has no root {origin!r} (it has {known})."
            )
        return root / self.roots[origin] / inner

    def require_originals(self, root: Path) -> None:
        """Raises MissingTiles where a folder of originals, seen from the prepared folder `root`, is not there."""
        for name, folder in self.roots.items():
            if not (root / folder).is_dir():
                raise MissingTiles(
                    f"The tiles of {root} are images that lie in {root / folder}, but there is no such folder: put it "
                    f"back, or write its new place under `roots`, {name!r}, in {root / MANIFEST}."
                )

    def save(self, root: Path) -> None:
        """Write the manifest, which declares the folder complete."""
        write_atomically(root / MANIFEST, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, root: Path) -> Self:
        """Read the manifest of a prepared folder; raises MissingTiles saying how to prepare one."""
        try:
            return cls.model_validate_json((root / MANIFEST).read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingTiles(_absent(root)) from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "its text"
            raise MissingTiles(
                f"{root / MANIFEST} cannot be used ({place}: {first['msg']}): it is damaged or comes from another "
                f"version of saticl. Prepare the dataset again into an empty folder."
            ) from error


def _absent(root: Path) -> str:
    if (root / "parts").is_dir():
        return f"{root} is not complete: run the same `prepare` command again (every shard of it); it resumes."
    if root.is_dir():
        return f"{root} is not prepared ({MANIFEST} is missing): run `prepare --src <raw imagery> --dst {root}`."
    return f"{root} does not exist: run `prepare --src <raw imagery> --dst {root}` first, or correct --data-root."
