"""Where raw files lie: in a folder, or at addresses that a file lists, because a server cannot be asked for a folder.

A STAC item collection (.json) lists assets: that of an item is found under the name `<item>/<asset>`. A text file
(.txt) lists files, one per line. Both may name files beside them, and addresses anywhere.
"""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import unquote, urljoin, urlsplit

from saticl.errors import InvalidOptions, MissingRawData
from saticl.geo.remote import CONNECT_S, STORES, WEB, is_remote

LISTS = (".json", ".geojson", ".txt")
"""Endings of files that list a source."""


FOLDERS = (".gdb",)
"""Endings of folders that are one file to GDAL."""


class Files(Protocol):
    """Raw files by name, with slashes between folders."""

    @property
    def title(self) -> str:
        """What messages call it."""

    def names(self) -> list[str]:
        """All names, sorted."""

    def find(self, name: str) -> str | None:
        """The file of that name, as it is opened; None where there is none."""


@dataclass(frozen=True)
class LocalFiles:
    """The files below a folder."""

    root: Path

    @property
    def title(self) -> str:
        """See Files."""
        return str(self.root)

    def names(self) -> list[str]:
        """See Files."""
        walked = os.walk(self.root, followlinks=True)
        paths = (Path(folder) / name for folder, _, names in walked for name in names)
        return sorted(path.relative_to(self.root).as_posix() for path in paths)

    def find(self, name: str) -> str | None:
        """See Files; the name may lead out of the folder."""
        path = self.root / name
        return str(path) if path.is_file() or (path.suffix in FOLDERS and path.is_dir()) else None


@dataclass(frozen=True)
class ListedFiles:
    """The files that a list names."""

    title: str
    addresses: Mapping[str, str]
    """By name."""

    def names(self) -> list[str]:
        """See Files."""
        return sorted(self.addresses)

    def find(self, name: str) -> str | None:
        """See Files; whether a server has the file is known only when it is opened."""
        return self.addresses.get(name)


def located(source: str) -> Path | str:
    """A source on this machine as an absolute path, or an address.

    Raises InvalidOptions for an address that is no list: no server can be asked which files it has.
    """
    if not is_remote(source):
        return Path(source).resolve()
    if _ending(source) not in LISTS or not source.startswith(WEB):
        raise InvalidOptions(
            f"The files at {source} cannot be listed: write their addresses into a text file, one per line (masks "
            "too), or into a STAC item collection, and give this file (.txt or .json) as --src."
        )
    return source


def is_list(source: Path | str) -> bool:
    """Whether a source is a file that lists others."""
    return isinstance(source, str) or (_ending(str(source)) in LISTS and not source.is_dir())


def read_list(source: Path | str) -> ListedFiles:
    """Read an item collection or a text file, from this machine or from a server.

    Raises MissingRawData where it cannot be read, is neither, or lists nothing.
    """
    where, text = str(source), _text(source)
    base = where if isinstance(source, str) else f"{source.parent}{os.sep}"
    pairs = _lines(text, base) if _ending(where) == ".txt" else _assets(text, base, where)
    addresses: dict[str, str] = {}
    for name, address in pairs:
        if name in addresses:
            raise MissingRawData(f"{where} lists {name!r} twice: rename one of the two.")
        addresses[name] = address
    if not addresses:
        raise MissingRawData(f"{where} lists no file: write one path or address per line, or items with assets.")
    return ListedFiles(where, addresses)


def _text(source: Path | str) -> str:
    try:
        if isinstance(source, Path):
            return source.read_text(encoding="utf-8")
        with urllib.request.urlopen(source, timeout=CONNECT_S) as answer:
            return str(answer.read().decode())
    except (OSError, UnicodeDecodeError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise MissingRawData(f"The list {source} cannot be read ({reason}): correct --src.") from error


def _lines(text: str, base: str) -> Iterator[tuple[str, str]]:
    """Names and addresses; empty lines and comments are left out."""
    for line in text.splitlines():
        entry = line.strip()
        if entry and not entry.startswith("#"):
            yield _name(entry), _resolved(entry, base)


def _assets(text: str, base: str, where: str) -> Iterator[tuple[str, str]]:
    try:
        content = json.loads(text)
        items = content["features"] if content.get("type") == "FeatureCollection" else [content]
        pairs = [
            (f"{item['id']}/{name}", str(asset["href"])) for item in items for name, asset in item["assets"].items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MissingRawData(
            f"{where} is no STAC item collection: it needs `features`, each with an `id` and `assets` with `href`."
        ) from error
    yield from ((name, _resolved(href, base)) for name, href in pairs)


def _name(entry: str) -> str:
    """What patterns are compared with: a path as it stands, of an address what follows the server's name."""
    if not is_remote(entry):
        return entry.replace("\\", "/").removeprefix("./")
    for scheme, folder in STORES.items():
        entry = scheme + entry.removeprefix(folder) if entry.startswith(folder) else entry
    return unquote(urlsplit(entry.removeprefix("/vsicurl/")).path).lstrip("/")


def _resolved(entry: str, base: str) -> str:
    """Where a file lies that a list names; paths are relative to the list."""
    if is_remote(entry):
        return entry
    if base.startswith(WEB):
        return urljoin(base, entry)
    return str(
        Path(base) / unquote(entry.removeprefix("file://")) if entry.startswith("file://") else Path(base) / entry
    )


def _ending(source: str) -> str:
    """The last part of a file's name, lower case, without what follows a question mark in an address."""
    path = urlsplit(source).path if is_remote(source) else source
    return PurePosixPath(path).suffix.lower()
