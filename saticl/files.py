"""Files that are either complete or not there: written beside their destination under another name, then renamed."""

import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self, SupportsFloat
from uuid import uuid4

import numpy as np

from saticl.errors import UnwritableFile

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What a JSON document may hold."""


class Fingerprint(NamedTuple):
    """What a file is recognised by."""

    size: int
    crc32: int

    @classmethod
    def of(cls, content: bytes | memoryview) -> Self:
        """The fingerprint of a file with this content."""
        return cls(len(content), zlib.crc32(content))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name in the folder of `path` to write to; it becomes `path` when the block ends, and vanishes if it fails.

    The folder is made where it is missing; the suffix is kept, because some libraries choose the format by it.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid4().hex[:12]}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def assembling(path: Path) -> Iterator[Path]:
    """As `replacing`, for libraries that write other files beside theirs: a folder of its own, which always vanishes.

    Raises UnwritableFile where the folder cannot be made, or the file cannot be moved to its place.
    """
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(TemporaryDirectory(prefix=f".{path.stem}.", dir=path.parent))
        except OSError as error:
            raise unwritable(path, error.strerror or error) from error
        temporary = Path(folder, path.name)
        yield temporary
        try:
            temporary.replace(path)
        except OSError as error:
            raise unwritable(path, error.strerror or error) from error


def write_atomically(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file (text as UTF-8) so that no reader ever sees half of it, and no killed process leaves half of it.

    Raises UnwritableFile where not all of it reached the disk; what was there before then stays.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
            found = temporary.stat().st_size
            if found != len(data):  # some file systems lose bytes without a word
                raise OSError(f"only {found:,} of {len(data):,} bytes arrived")
    except OSError as error:
        raise unwritable(path, error.strerror or error) from error


def unwritable(path: Path, cause: object) -> UnwritableFile:
    """The error of a file that did not reach the disk, with what helps."""
    return UnwritableFile(
        f"{path} cannot be written ({cause}): make room on the disk or correct the rights of the folder, then run the "
        "same command again."
    )


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
