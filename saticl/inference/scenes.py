"""Which images are meant: files, folders, patterns, addresses, and lists of them; and where their maps go."""

from collections import Counter
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from saticl.errors import InvalidOptions
from saticl.geo.remote import is_remote
from saticl.inference.maps import PICTURES, Place

RASTERS = frozenset({".tif", ".tiff", ".vrt", ".jp2", ".img", *PICTURES})
"""Endings of what is taken from a folder."""


def places(words: Sequence[str], dst: Path) -> list[Place]:
    """The images that are named, in their order, each with the file of its map.

    Raises:
        InvalidOptions: nothing is named, or something that is not there, or two maps would be one file.
    """
    sources = list(dict.fromkeys(source for word in words for source in _sources(word)))
    if not sources:
        raise InvalidOptions("No image was named: write files, folders, patterns or addresses behind `predict`.")
    found = [
        Place(source, dst / f"{_stem(source)}{'.png' if _ending(source) in PICTURES else '.tif'}")
        for source in sources
    ]
    twice = next((path for path, number in Counter(place.facts for place in found).items() if number > 1), None)
    if twice is not None:
        same = " and ".join(place.source for place in found if place.facts == twice)
        raise InvalidOptions(
            f"The maps of {same} would have the same name: predict them one by one, with another --dst."
        )
    for place in found:
        if not is_remote(place.source) and Path(place.source).resolve() == place.dst.resolve():
            raise InvalidOptions(f"The map of {place.source} would replace it: choose another --dst.")
    return found


def _sources(word: str) -> Iterator[str]:
    path = Path(word).expanduser()
    if is_remote(word) or word.startswith("/vsi"):
        yield word
    elif path.is_dir():
        yield from _inside(path)
    elif path.is_file() and path.suffix.lower() == ".txt":
        yield from _listed(path)
    elif path.is_file():
        yield str(path)
    elif has_magic(word):
        matches = sorted(glob(str(path), recursive=True))  # noqa: PTH207 - patterns may begin anywhere
        if not matches:
            raise InvalidOptions(f"No file matches {word!r}: correct the pattern.")
        yield from matches
    else:
        raise InvalidOptions(f"There is no image {word}: name a file, a folder, a pattern or an address.")


def _inside(folder: Path) -> list[str]:
    found = sorted(str(path) for path in folder.iterdir() if path.suffix.lower() in RASTERS and path.is_file())
    if not found:
        raise InvalidOptions(f"{folder} holds no image ({', '.join(sorted(RASTERS))}): name another folder.")
    return found


def _listed(path: Path) -> Iterator[str]:
    """Every line of a text file; paths are seen from its folder, comments and empty lines are left out."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOptions(
            f"The list {path} cannot be read as text: give a file with one image per line."
        ) from error
    for line in lines:
        if line and not line.startswith("#"):
            yield from _sources(line if is_remote(line) or line.startswith("/vsi") else str(path.parent / line))


def _name(source: str) -> PurePosixPath:
    return PurePosixPath(urlsplit(source).path if "://" in source else source.replace("\\", "/"))


def _stem(source: str) -> str:
    return _name(source).stem


def _ending(source: str) -> str:
    return _name(source).suffix.lower()
