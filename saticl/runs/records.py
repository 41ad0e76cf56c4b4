"""What all records of a run have in common: typed, frozen, and read back or refused in one sentence."""

import math
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from saticl.errors import InvalidRecord
from saticl.files import write_json


class Record(BaseModel):
    """Base of the records: never changed, and strict about keys. A file's outermost record has a `format`."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _nan_for_null(value: object) -> object:
    return math.nan if value is None else value


Number = Annotated[float, BeforeValidator(_nan_for_null)]
"""A number that may be unknown: NaN here, null in JSON, which has no word for it."""

Kind = TypeVar("Kind", bound=Record)


def read_record(path: Path, kind: type[Kind], remedy: str) -> Kind:
    """The record in a JSON file; `remedy` says what to do where there is none.

    Raises:
        InvalidRecord: the file is missing, damaged, or of another format.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidRecord(f"There is no {path}: {remedy}.") from error
    except ValidationError as error:
        raise InvalidRecord(f"{path} {unusable(error)}: delete it, and {remedy}.") from error
    except OSError as error:
        raise InvalidRecord(f"{path} cannot be read ({error.strerror}): {remedy}.") from error


def write_record(path: Path, record: Record) -> None:
    """Write a record as JSON, complete or not at all; what is None is null, and so is NaN."""
    write_json(path, record.model_dump())


def unusable(error: ValidationError) -> str:
    """What is wrong with a record, as the middle of a sentence."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "its text"
    return f"is damaged or comes from another version of saticl ({place}: {first['msg']})"
