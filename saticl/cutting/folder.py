"""The folder that is being prepared: what it was begun with, and what may be removed from it.

Several processes may begin at the same moment, on a file system where each learns late what the others did. So
nothing is removed that somebody could be working on: beginning only writes, and what is left of other work is swept
away at the end, when every file that belongs here is known.
"""

import json
from collections.abc import Set
from contextlib import suppress
from pathlib import Path
from typing import Literal

from saticl.cutting.recipe import PARTS, TILES, Asked
from saticl.errors import InvalidOptions, MissingTiles
from saticl.files import write_json
from saticl.tiles.index import INDEX
from saticl.tiles.manifest import MANIFEST, Manifest

OPTIONS = "prepare.json"
"""What a folder is being prepared with; written first."""

State = Literal["new", "same", "other"]
"""Nothing is here yet, or work with the same options, or work with others that may be replaced."""


def state_of(root: Path, options: Asked, overwrite: bool) -> State:
    """What a folder holds; raises InvalidOptions for work that may not be replaced."""
    # In this order, because whoever begins writes the options first.
    has_work = any((root / name).exists() for name in (TILES, PARTS, MANIFEST))
    begun = _begun(root)
    if begun is None and has_work:
        raise InvalidOptions(f"{root} holds tiles or parts of unknown origin: choose an empty folder with --dst.")
    if begun is not None and begun != options and has_work and not overwrite:
        raise InvalidOptions(_difference(root, begun, options))
    if begun == options:
        return "same"
    return "other" if has_work else "new"


def begin(root: Path, options: Asked) -> None:
    """Note the options; from now on the folder looks complete to nobody."""
    reopen(root)
    write_json(root / OPTIONS, options)


def reopen(root: Path) -> None:
    """Take away what says that the folder is complete; parts and tiles stay."""
    for name in (MANIFEST, INDEX):
        (root / name).unlink(missing_ok=True)


def finished(root: Path) -> Manifest | None:
    """The manifest of a complete folder."""
    try:
        return Manifest.load(root) if (root / INDEX).exists() else None
    except MissingTiles:
        return None


def sweep(root: Path, keep: Set[str]) -> None:
    """Remove tiles and parts that are not among these names, and folders that are empty then; nothing else.

    Hidden files are kept: another process may be about to rename them.
    """
    for top in (root / TILES, root / PARTS):
        for path in sorted(top.rglob("*"), reverse=True):  # what is in a folder comes before the folder
            if path.is_dir():
                remove_if_empty(path)
            elif path.relative_to(root).as_posix() not in keep and not path.name.startswith("."):
                path.unlink(missing_ok=True)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder in which nothing is."""
    with suppress(OSError):
        folder.rmdir()


def _begun(root: Path) -> Asked | None:
    try:
        content = json.loads((root / OPTIONS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise InvalidOptions(f"{root} is a file, or lies below one: give --dst a folder.") from error
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InvalidOptions(f"{root / OPTIONS} is damaged: delete the folder {root} and prepare it again.")
    return content


def _difference(root: Path, begun: Asked, options: Asked) -> str:
    changes = (
        f"{'the description' if name == 'description' else name} "
        + ("has changed" if name == "description" else f"was {begun.get(name)} and is now {value}")
        for name, value in (dict.fromkeys(begun) | options).items()
        if begun.get(name) != value
    )
    return (
        f"{root} was prepared with other options: {'; '.join(changes)}. "
        "Choose another --dst, or add --overwrite to replace what is there."
    )
