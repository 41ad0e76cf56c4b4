"""Files that are either complete or not there: written beside their destination under another name, then renamed."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import SupportsFloat
from uuid import uuid4

import numpy as np

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What a JSON document may hold."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name in the folder of `path` to write to; it becomes `path` when the block ends, and vanishes if it fails.

    The folder is made where it is missing; the suffix is kept, because some libraries choose the format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid4().hex[:12]}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file (text as UTF-8) so that no reader and no killed process ever leaves half of it."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, value: object) -> None:
    """Write a JSON document, indented by two, keys in the order given; see `to_json` for what may be in it."""
    write_atomically(path, json.dumps(to_json(value), indent=2, ensure_ascii=False) + "\n")


def to_json(value: object) -> Json:
    """The same value in JSON's own types: NaN and infinities become null, since JSON has no word for them.

    Mappings, sequences, sets, paths, NumPy scalars and arrays, and anything that `float` accepts are converted; other
    objects raise TypeError.
    """
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (Sequence, Set)):
        return [to_json(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, float):
        return to_json(value.tolist())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, SupportsFloat):
        number = float(value)
        return number if math.isfinite(number) else None
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")
