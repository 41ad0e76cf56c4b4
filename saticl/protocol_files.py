"""Learning orders as plain values: in descriptions, in manifests, and in YAML files of the user's own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeGuard

import yaml

from saticl.errors import InvalidOptions
from saticl.tasks import OFFLINE, TAKEN, Protocol

KEYS = {"steps", "background", "folders", "places", "aliases"}
"""What may be said of a learning order."""


def protocol_to_dict(protocol: Protocol) -> dict[str, object]:
    """The protocol as plain lists for YAML and JSON, without its name and its folders."""
    optional = {"places": [list(group) for group in protocol.places], "aliases": list(protocol.aliases)}
    return {
        "steps": [list(group) for group in protocol.groups],
        "background": protocol.background,
        **{key: value for key, value in optional.items() if value},
    }


def inherited(background: str | None, groups: Sequence[Sequence[str]]) -> str | None:
    """The background of a protocol that does not say any: that of the dataset, unless a step learns it as a class."""
    return None if any(background in group for group in groups) else background


def protocol_from_dict(name: str, content: object, of_dataset: str | None = None) -> Protocol:
    """The inverse of `protocol_to_dict`; raises InvalidOptions for any other form.

    `of_dataset` is the background of a protocol that does not say any; `background: null` says that there is none.
    """
    if isinstance(content, Mapping) and set(content) <= KEYS:
        steps, background = content.get("steps"), content.get("background")
        places, folders, aliases = (content.get(key) or [] for key in ("places", "folders", "aliases"))
        known = _is_name_or_none(background) and _are_names(folders) and _are_names(aliases)
        if known and _are_groups(steps) and _are_groups(places):
            groups = tuple(map(tuple, steps))
            said = background if "background" in content else inherited(of_dataset, groups)
            return Protocol(name, groups, said, tuple(map(Path, folders)), tuple(map(tuple, places)), tuple(aliases))
    raise InvalidOptions(
        f"The task {name!r} has a wrong form: write it as {{steps: [[class, ...], ...], background: class, "
        "folders: [prepared folder of each step, ...], places: [[group of scenes, ...], ...], aliases: [name, ...]}, "
        "where all but steps are optional."
    )


def load_protocols(path: Path, classes: Sequence[str], background: str | None = None) -> dict[str, Protocol]:
    """The protocols of a file (see `read_protocols`) that share one folder, for a folder with these classes.

    Raises UnknownName for a class that is not there.
    """
    found = read_protocols(path, background)
    protocols = {name: protocol for name, protocol in found.items() if not protocol.folders}
    for protocol in protocols.values():
        protocol.validate(classes)
    return protocols


def read_protocols(path: Path, background: str | None = None) -> dict[str, Protocol]:
    """Protocols of the user's own, from a YAML file {name: {steps: [[class, ...], ...], background: class}}.

    `background` is that of the dataset. `folders` may name a prepared folder per step, seen from the folder of the
    file. Raises InvalidOptions where the file is missing or has another form.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidOptions(
            f"The file of tasks {path} cannot be read as YAML: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(content, dict) or not content:
        raise InvalidOptions(f"The file of tasks {path} holds no tasks: write name: {{steps: [[class, ...], ...]}}.")
    protocols = {str(name): protocol_from_dict(str(name), entry, background) for name, entry in content.items()}
    if OFFLINE in protocols:
        raise InvalidOptions(f"The file of tasks {path} cannot be used: {TAKEN}.")
    for protocol in protocols.values():
        protocol.check()
    return {
        name: replace(protocol, folders=tuple(path.parent / folder for folder in protocol.folders))
        for name, protocol in protocols.items()
    }


def _are_names(group: object) -> TypeGuard[list[str]]:
    return isinstance(group, list) and all(isinstance(name, str) for name in group)


def _are_groups(groups: object) -> TypeGuard[list[list[str]]]:
    return isinstance(groups, list) and all(_are_names(group) for group in groups)


def _is_name_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)
