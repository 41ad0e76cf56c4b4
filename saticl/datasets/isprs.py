"""What Potsdam and Vaihingen share: classes, colours, and how a download is matched against the official scenes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from saticl.datasets.base import Choice, ClassInfo, Request, Scene, Value
from saticl.datasets.files import RawFile, raw_files
from saticl.errors import MissingRawData
from saticl.geo.palette import ThresholdPalette
from saticl.geo.raster import parse_crs
from saticl.labels import Colour, Split
from saticl.protocols import ISPRS_CLASSES

COLOURS: tuple[Colour, ...] = (
    (255, 255, 255),
    (0, 0, 255),
    (0, 255, 255),
    (0, 255, 0),
    (255, 255, 0),
    (255, 0, 0),
)
"""By dataset label; black is ignored."""

CLASSES = tuple(ClassInfo(name, colour) for name, colour in zip(ISPRS_CLASSES, COLOURS, strict=True))

PALETTE = ThresholdPalette(COLOURS, ignored=((0, 0, 0),))

BANDS: Mapping[str, tuple[str, ...]] = {
    "rgb": ("red", "green", "blue"),
    "irrg": ("nir", "red", "green"),
    "rgbir": ("red", "green", "blue", "nir"),
}
"""Names of the bands by kind of image."""

Kind = Literal["rgb", "irrg", "rgbir", "full", "eroded", "dsm", "ndsm"]
"""What a file holds: a kind of image, a mask with or without class boundaries, a surface model or a normalised one."""

LABELS = Choice(
    "labels",
    ("full", "eroded"),
    "masks",
    "full: masks of all pixels; eroded: pixels near class boundaries are ignored",
)

DSM = Choice("dsm", (False, True), "surface model", "add the surface model as a last band")

WORDS: Mapping[Kind, str] = {
    "rgb": "RGB image",
    "irrg": "IRRG image",
    "rgbir": "RGBIR image",
    "full": "label",
    "eroded": "label without boundaries",
    "dsm": "surface model",
}


@dataclass(frozen=True)
class Download:
    """What lies in a folder: per scene and kind the file to use."""

    title: str
    root: Path
    tree: str
    """What the folder should look like, for people."""
    files: Mapping[str, Mapping[Kind, str]]

    def scenes(self, splits: Mapping[str, Split], chosen: Mapping[str, Value], request: Request) -> list[Scene]:
        """The complete official scenes; raises MissingRawData where some are missing, unless that is allowed."""
        if request.crs is not None:
            parse_crs(request.crs)
        image, mask = cast(Kind, chosen["channels"]), cast(Kind, chosen["labels"])
        wanted: list[Kind] = [image, mask]
        if chosen["dsm"]:
            wanted.append("dsm")
        lacking = {name: [kind for kind in wanted if kind not in self.files.get(name, {})] for name in splits}
        complete = [name for name in splits if not lacking[name]]
        if not complete or (len(complete) < len(splits) and not request.allow_missing):
            words = {name: [WORDS[kind] for kind in kinds] for name, kinds in lacking.items() if kinds}
            raise MissingRawData(self._what_lacks(lacking, complete), words)
        return [
            Scene(
                id=name,
                group=name,
                split=splits[name],
                image=self.files[name][image],
                mask=self.files[name][mask],
                dsm=self.files[name]["dsm"] if chosen["dsm"] else None,
                bands=BANDS[image],
                palette=PALETTE,
                is_strict=False,
                crs=request.crs,
            )
            for name in complete
        ]

    def _what_lacks(self, lacking: Mapping[str, list[Kind]], complete: list[str]) -> str:
        if not self.files:
            return f"{self.root} holds no file of {self.title}. Expected there, zipped or not:\n{self.tree}"
        by_kind = {kind: [name for name in lacking if kind in lacking[name]] for kind in WORDS}
        parts = (
            f"{WORDS[kind]} of {f'all {len(names)} scenes' if len(names) == len(lacking) else ', '.join(names)}"
            for kind, names in by_kind.items()
            if names
        )
        sentence = f"The download of {self.title} in {self.root} is incomplete. Missing: {'; '.join(parts)}."
        if complete:
            return (
                f"{sentence} Download these files, or add --allow-missing to cut the {len(complete)} complete scenes."
            )
        return f"{sentence} No scene is complete. Expected there, zipped or not:\n{self.tree}"


def find_files(root: Path, title: str, tree: str, recognised: Iterable[tuple[RawFile, str, Kind]]) -> Download:
    """The download in a folder; where several files are the same thing, the first one is taken.

    The normalised surface model stands in only where no scene at all has the plain one, so that units never mix.
    """
    files: dict[str, dict[Kind, str]] = defaultdict(dict)
    for file, scene, kind in recognised:
        files[scene].setdefault(kind, file.path)
    if not any("dsm" in kinds for kinds in files.values()):
        for kinds in files.values():
            if "ndsm" in kinds:
                kinds["dsm"] = kinds["ndsm"]
    return Download(title, root, tree, files)


def listed(root: Path, title: str, tree: str) -> list[RawFile]:
    """The files below a folder; raises MissingRawData showing the expected tree where there is no such folder."""
    if not root.is_dir():
        raise MissingRawData(f"The folder {root} does not exist. Expected for {title}, zipped or not:\n{tree}")
    return raw_files(root)


def folder_kind(folders: tuple[str, ...], kinds: Mapping[str, Kind]) -> Kind | None:
    """What the innermost telling folder says; `kinds` maps beginnings of folder names, eroded labels go first."""
    for folder in reversed(folders):
        for beginning, kind in kinds.items():
            if folder.startswith(beginning):
                is_eroded = kind == "full" and ("nobound" in folder.replace("_", "") or "eroded" in folder)
                return "eroded" if is_eroded else kind
    return None


def channels(*kinds: Kind) -> Choice:
    """The choice between kinds of images."""
    return Choice("channels", kinds, "images", "which images, by their bands")
