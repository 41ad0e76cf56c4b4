"""Files below a folder, those inside zip archives included: downloads need not be unpacked."""

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from saticl.errors import MissingRawData

RASTERS = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg"})


@dataclass(frozen=True)
class RawFile:
    """A raster file of a download."""

    path: str
    """As GDAL opens it."""
    name: str
    """Its file name, lower case."""
    folders: tuple[str, ...]
    """Names of the folders and archives it lies in, lower case, innermost last, below the folder that was searched."""
    is_zipped: bool


def raw_files(root: Path) -> list[RawFile]:
    """All rasters below a folder, in a fixed order; raises MissingRawData where an archive is damaged."""
    found = [file for path in _walk(root) for file in _files_of(root, path)]
    return sorted(found, key=lambda file: (file.is_zipped, file.path))


def _walk(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root, followlinks=True):
        yield from (Path(folder) / name for name in names if not name.startswith("."))


def _files_of(root: Path, path: Path) -> Iterator[RawFile]:
    folders = tuple(part.lower() for part in path.relative_to(root).parts[:-1])
    if path.suffix.lower() in RASTERS:
        yield RawFile(str(path), path.name.lower(), folders, is_zipped=False)
    elif path.suffix.lower() == ".zip":
        for member in _members(path):
            inner = PurePosixPath(member)
            if inner.suffix.lower() in RASTERS and not inner.name.startswith("."):
                within = tuple(part.lower() for part in inner.parts[:-1])
                where = (*folders, path.stem.lower(), *within)
                yield RawFile(f"/vsizip/{{{path.resolve()}}}/{member}", inner.name.lower(), where, is_zipped=True)


def _members(archive: Path) -> list[str]:
    try:
        with zipfile.ZipFile(archive) as content:
            return content.namelist()
    except zipfile.BadZipFile as error:
        raise MissingRawData(f"The archive {archive} is damaged or incomplete: download it again.") from error
