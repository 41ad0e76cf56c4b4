"""Which images are meant: files, folders, patterns, addresses, and lists of them; and where their maps go."""

from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from saticl.errors import InvalidOptions
from saticl.geo.remote import is_remote
from saticl.inference.maps import PICTURES, Place
from saticl.inference.parts import KINDS, said

SUMMARY, SCORES = "predict.json", "scores.json"
"""What is said of all maps of a folder."""

OF_ALL = (SUMMARY, SCORES)

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
    _require_apart(found, dst)
    return found


def _require_apart(places: Sequence[Place], dst: Path) -> None:
    """Refuse maps that would have a file in common, or one with what is written of all maps."""
    owners: dict[Path, str] = {dst / name: f"the file {name}" for name in OF_ALL}
    for place in places:
        for path in place.files:
            if path in owners:
                raise InvalidOptions(
                    f"The map of {place.source} would have the same name as that of {owners[path]} ({path.name}): "
                    "predict them one by one, with another --dst."
                )
        owners |= dict.fromkeys(place.files, place.source)


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
        found = sorted(glob(str(path), recursive=True))  # noqa: PTH207 - patterns may begin anywhere
        matches = [name for name in found if Path(name).is_file() and not _is_map(Path(name))]
        if not matches:
            raise InvalidOptions(f"No file matches {word!r}: correct the pattern.")
        yield from matches
    else:
        raise InvalidOptions(f"There is no image {word}: name a file, a folder, a pattern or an address.")


def _inside(folder: Path) -> list[str]:
    files = (path for path in folder.iterdir() if path.suffix.lower() in RASTERS and path.is_file())
    found = sorted(str(path) for path in files if not _is_map(path))
    if not found:
        raise InvalidOptions(f"{folder} holds no image ({', '.join(sorted(RASTERS))}): name another folder.")
    return found


def _is_map(path: Path) -> bool:
    """Whether a file in a folder of images was written by `predict`: another run does not make maps of maps."""
    stems = [path.stem, *(path.stem.removesuffix(f"_{kind}") for kind in KINDS[1:])]
    return any("made_with" in said(path.with_name(f"{stem}.json")) for stem in stems)


def _listed(path: Path) -> Iterator[str]:
    """Every line of a text file; paths are seen from its folder, comments and empty lines are left out."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOptions(
            f"The list {path} cannot be read as text: give a file with one image per line."
        ) from error
    for line in lines:
        if line.lower().endswith(".txt"):
            raise InvalidOptions(f"The list {path} names another list, {line}: write the images themselves.")
        if line and not line.startswith("#"):
            yield from _sources(line if is_remote(line) or line.startswith("/vsi") else str(path.parent / line))


def _name(source: str) -> PurePosixPath:
    return PurePosixPath(urlsplit(source).path if "://" in source else source.replace("\\", "/"))


def _stem(source: str) -> str:
    return _name(source).stem


def _ending(source: str) -> str:
    return _name(source).suffix.lower()
