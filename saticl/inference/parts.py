"""Rows of a map that are finished and wait for the others: processes share the rows, and an interrupted run goes on.

A map's parts lie in a hidden folder beside it. `options.json` says what they were made with; parts of anything else
are thrown away.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine

from saticl.errors import InvalidRaster
from saticl.files import write_json
from saticl.geo import raster
from saticl.geo.raster import Array

ROWS = 512
"""Rows of a part, so that no process holds many of them, whatever the width."""

OPTIONS = "options.json"

KINDS = ("classes", "confidence", "probabilities")
"""What a part may hold, each in a file of its own."""


@dataclass(frozen=True)
class Parts:
    """The parts of one map."""

    folder: Path
    height: int
    kinds: tuple[str, ...]
    """Which of KINDS are wanted."""

    def begin(self, options: Mapping[str, object]) -> None:
        """Keep the parts that were made with the same options, and no others."""
        if said(self.folder / OPTIONS) != options:
            self.remove()
            write_json(self.folder / OPTIONS, options)

    def all(self) -> list[range]:
        """The rows of every part."""
        return [range(first, min(first + ROWS, self.height)) for first in range(0, self.height, ROWS)]

    def missing(self) -> list[range]:
        """The rows of the parts that are still to do."""
        return [part for part in self.all() if not all(self.path(kind, part.start).exists() for kind in self.kinds)]

    def path(self, kind: str, row: int) -> Path:
        """The file of a part that begins with this row."""
        return self.folder / f"{row:08d}_{kind}.tif"

    def encoded(self, kind: str, row: int, pixels: Array) -> tuple[Path, bytes]:
        """A part [C, n, W] as a file, and where it belongs."""
        path = self.path(kind, row)
        return path, raster.encode(path.name, pixels, Affine.identity(), None)

    def read(self, kind: str, row: int) -> Array:
        """The part that begins with this row [C, n, W]; one that is damaged is removed.

        Raises:
            InvalidRaster: it is damaged, or not there.
        """
        path = self.path(kind, row)
        try:
            return np.ascontiguousarray(raster.read(path, "run the same `predict` command again"))
        except InvalidRaster:
            path.unlink(missing_ok=True)
            raise

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def joined(parts: Sequence[range]) -> list[range]:
    """Neighbours as one range, because each beginning costs some rows more."""
    runs: list[range] = []
    for part in parts:
        if runs and runs[-1].stop == part.start:
            runs[-1] = range(runs[-1].start, part.stop)
        else:
            runs.append(part)
    return runs


def said(path: Path) -> dict[str, object]:
    """What a JSON file says; nothing where there is none, or a damaged one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
