"""What tests of `prepare` share: a call with small tiles, and what a folder holds."""

import hashlib
from pathlib import Path
from typing import Any

from saticl.commands.prepare import prepare
from saticl.config import PrepareConfig
from saticl.tiles.manifest import Manifest


def config(raw: Path, dst: Path | None, **changes: Any) -> PrepareConfig:
    """Tiles of 32 pixels, without pool."""
    base: dict[str, Any] = {"tile_size": 32, "overlap": 8, "jobs": 1, "allow_missing": True}
    return PrepareConfig.model_validate({"src": raw, "dst": dst} | base | changes)


def prepared(raw: Path, dst: Path, **changes: Any) -> Manifest:
    """Prepare all of it."""
    manifest = prepare(config(raw, dst, **changes))
    assert manifest is not None
    return manifest


def digests(root: Path) -> dict[str, str]:
    """Every file by name, with its SHA-256."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def times(root: Path) -> dict[Path, int]:
    """Every file with when it was written."""
    return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
