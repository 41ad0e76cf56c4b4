"""Size and time of source files: a file that was edited has another of the two, and no content need be read."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from saticl.geo.remote import is_remote

Stamp = tuple[int, int]
"""Bytes, and when they were last changed, in nanoseconds."""

Stamps = dict[str, Stamp]
"""Of files by name."""

COMPANIONS = {
    ".shp": (".dbf", ".shx", ".prj", ".cpg"),
    ".tif": (".tfw",),
    ".tiff": (".tfw",),
    ".png": (".pgw",),
    ".jpg": (".jgw",),
    ".jpeg": (".jgw",),
}
"""Files of the same name that belong to one with this ending, if they are there: attributes, places."""

ARCHIVE = "/vsizip/{"
"""How the name of a member of an archive begins; the archive follows, up to the other brace."""


def stamps(names: Iterable[str]) -> Stamps:
    """The stamps of files and their companions; those on servers, and those that are not there, have none."""
    local = (name for name in names if not is_remote(name))
    return {str(path): stamp for name in local for path in _files(name) if (stamp := _stamp(path)) is not None}


def _files(name: str) -> Iterator[Path]:
    path = Path(name.removeprefix(ARCHIVE).partition("}")[0] if name.startswith(ARCHIVE) else name)
    yield path
    yield from (path.with_suffix(suffix) for suffix in COMPANIONS.get(path.suffix.lower(), ()))
    if path.is_dir():  # some databases are folders
        yield from sorted(path.iterdir())


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
