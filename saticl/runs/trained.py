"""The options a step was trained with, as the plain tree in its config.yaml."""

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import JsonValue, TypeAdapter, ValidationError

from saticl.errors import InvalidRecord

CONFIG_FILE = "config.yaml"

OptionTree = dict[str, JsonValue]
"""Sections and values, all plain: no option class is needed to look at a run of another version."""

_TREE = TypeAdapter(OptionTree)


def read_options(folder: Path) -> OptionTree:
    """The tree in the folder of a step.

    Raises:
        InvalidRecord: the file is missing, or it is no tree of plain values.
    """
    path = folder / CONFIG_FILE
    try:
        return _TREE.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise InvalidRecord(
            f"{path} is missing or damaged: it is written when a step starts; delete the folder and train that step "
            "again, or bring the file back."
        ) from error


def dotted(tree: Mapping[str, object]) -> dict[str, object]:
    """The leaves by their names on the command line: {"trainer.batch_size": 8}."""
    flat: dict[str, object] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": leaf for inner, leaf in dotted(value).items()}
        else:
            flat[name] = value
    return flat
