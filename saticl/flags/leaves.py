"""The leaves of an option tree: one per flag, with its spellings, what it may hold, and text made into values.

What a leaf may hold is read from the JSON schema that pydantic derives from the tree, so that bounds and choices are
written once, in `saticl/options.py`.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from saticl.errors import InvalidOptions

Path = tuple[str, ...]
"""Where an option stands in the tree: ("trainer", "batch_size")."""


@dataclass(frozen=True)
class Leaf:
    """One option."""

    path: Path
    default: object
    """What an unset option holds; `PydanticUndefined` where it must be set."""
    help: str
    panel: str | None
    """Title of the section, None at the root."""
    forms: tuple[Mapping[str, Any], ...]
    """What it may hold, or each of many values: alternatives in JSON schema."""
    many: bool = False
    """Whether it holds any number of values: a flag that may be repeated, a list in YAML."""

    @property
    def dotted(self) -> str:
        """The name in messages about files: trainer.batch_size."""
        return ".".join(self.path)

    @property
    def flag(self) -> str:
        """The name on the command line: --trainer.batch-size."""
        return "--" + self.dotted.replace("_", "-")

    @property
    def negative(self) -> str:
        """The flag that turns a switch off: --trainer.no-amp."""
        *sections, name = self.path
        return "--" + ".".join((*sections, f"no-{name}")).replace("_", "-")

    @property
    def variable(self) -> str:
        """The name in the environment: SATICL_TRAINER__BATCH_SIZE."""
        return "SATICL_" + "__".join(self.path).upper()

    @property
    def identifier(self) -> str:
        """The name as an argument of a Python function: trainer__batch_size."""
        return "__".join(self.path)

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is PydanticUndefined

    @property
    def switch(self) -> bool:
        """Whether it is on or off, and thus a flag without a value."""
        return not self.many and [form.get("type") for form in self.forms] == ["boolean"]

    @property
    def is_tree(self) -> bool:
        """Whether it holds options by their names: only files set it; there is no flag and no variable."""
        return [form.get("type") for form in self.forms] == ["object"]

    @property
    def choices(self) -> tuple[object, ...]:
        """The values that are named one by one."""
        return tuple(choice for form in self.forms for choice in _choices(form))

    @property
    def optional(self) -> bool:
        """Whether it may be nothing at all."""
        return any(form.get("type") == "null" for form in self.forms)

    @property
    def is_text(self) -> bool:
        """Whether any text is allowed (a path is not any text)."""
        return any(form.get("type") == "string" and "format" not in form and not _choices(form) for form in self.forms)

    @property
    def is_path(self) -> bool:
        """Whether it is the name of a file or folder."""
        return any(form.get("format") == "path" for form in self.forms)

    @property
    def off_identifier(self) -> str:
        """The Python name of the flag that turns a switch off."""
        return f"{self.identifier}__off"

    @property
    def metavar(self) -> str:
        """The allowed values in short: INT>=1, std|abn, PATH ..."""
        one = "|".join(_metavar(form) for form in self.forms if form.get("type") != "null")
        return f"{one} ..." if self.many else one

    @property
    def allowed(self) -> str:
        """The allowed values in a sentence: an integer of at least 0, or all."""
        return ", or ".join(_allowed(form) for form in self.forms)

    def value(self, given: object, source: str) -> object:
        """What pydantic should see for a value from YAML; raises InvalidOptions for an empty path.

        Choices are found in any case and with - or _, a number where only text is expected (the task 321) is that
        text, and ~ in a path is the home folder. Where many values are allowed, one alone is a list of one.
        """
        if not self.many:
            return self._one(given, source)
        values = given if isinstance(given, list | tuple) else () if given is None else (given,)
        return tuple(self._one(value, source) for value in values)

    def _one(self, given: object, source: str) -> object:
        for choice in self.choices:
            if _folded(choice) == _folded(given):
                return choice
        if self.is_path and given == "":
            raise InvalidOptions(f"{source} is empty, but must be {self.allowed}.")
        if isinstance(given, str):
            return os.path.expanduser(given) if self.is_path else given  # noqa: PTH111 - stays the text it was
        is_number = isinstance(given, int) and not isinstance(given, bool)
        return str(given) if is_number and (self.is_text or self.is_path) else given

    def parsed(self, text: str, source: str) -> object:
        """The same for a flag or variable, where `none` stands for YAML's null unless any text is allowed.

        Many values in one text, as in a variable, stand between commas.
        """
        if self.many:
            return self.value([part.strip() for part in text.split(",") if part.strip()], source)
        if text.lower() == "none" and self.optional and not self.is_text:
            return None
        return self.value(text, source)


@dataclass(frozen=True)
class Tree:
    """All leaves and sections of an option class."""

    model: type[BaseModel]
    leaves: Mapping[Path, Leaf]
    sections: frozenset[Path]

    @property
    def names(self) -> tuple[str, ...]:
        """Dotted names of all sections and leaves, sections first."""
        return tuple(".".join(path) for path in (*sorted(self.sections), *self.leaves))

    @property
    def words(self) -> str:
        """The option that takes words without a flag, or nothing."""
        return str(getattr(self.model, "words", ""))

    def named(self, dotted: str) -> Leaf:
        """The option of that dotted name."""
        return self.leaves[tuple(dotted.split("."))]


@cache
def tree(model: type[BaseModel]) -> Tree:
    """The leaves of an option class, in the order of its fields, root options first."""
    leaves = sorted(_leaves(model, (), None), key=lambda leaf: len(leaf.path) > 1)
    sections = {leaf.path[:end] for leaf in leaves for end in range(1, len(leaf.path))}
    return Tree(model, MappingProxyType({leaf.path: leaf for leaf in leaves}), frozenset(sections))


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Up to three dotted names a user may have meant, best first: what stands behind the last dot counts most."""
    last = name.rpartition(".")[2]
    scores = {
        known: (
            SequenceMatcher(None, last, known.rpartition(".")[2]).ratio(),
            SequenceMatcher(None, name, known).ratio(),
        )
        for known in names
    }
    alike = [known for known, (end, whole) in scores.items() if end >= 0.7 or whole >= 0.85]
    return sorted(alike, key=lambda known: -sum(scores[known]))[:3]


def title(model: type[BaseModel]) -> str:
    """The first clause of a class's docstring: up to a full stop or semicolon."""
    clause = re.split(r"[.;](?:\s|$)", model.__doc__ or model.__name__, maxsplit=1)[0]
    return " ".join(clause.split())


def _leaves(model: type[BaseModel], path: Path, values: object) -> Iterator[Leaf]:
    """Walk a class; `values` is the instance that a parent has as its default, which may differ from the class's."""
    properties = model.model_json_schema()["properties"]
    panel = title(model) if path else None
    for name, field in model.model_fields.items():
        default = field.get_default() if values is None else getattr(values, name)
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _leaves(kind, (*path, name), default)
            continue
        schema = properties[name]
        many = schema.get("type") == "array"
        one = schema["items"] if many else schema
        yield Leaf((*path, name), default, field.description or "", panel, tuple(one.get("anyOf", [one])), many)


def _choices(form: Mapping[str, Any]) -> tuple[object, ...]:
    return (form["const"],) if "const" in form else tuple(form.get("enum", ()))


def _folded(value: object) -> str:
    return str(value).lower().replace("-", "_")


def _range(form: Mapping[str, Any]) -> tuple[str, str]:
    """Bounds of a number: for a narrow column, and in words."""
    match form:
        case {"minimum": low, "maximum": high}:
            return f" {low:g}..{high:g}", f" from {low:g} to {high:g}"
        case {"minimum": low}:
            return f">={low:g}", f" of at least {low:g}"
        case {"exclusiveMinimum": low}:
            return f">{low:g}", f" above {low:g}"
    return "", ""


def _metavar(form: Mapping[str, Any]) -> str:
    if choices := _choices(form):
        return "|".join(str(choice) for choice in choices)
    names = {"integer": "INT", "number": "FLOAT", "string": "PATH" if "format" in form else "TEXT", "boolean": "BOOL"}
    return names[form["type"]] + _range(form)[0]


def _allowed(form: Mapping[str, Any]) -> str:
    if choices := _choices(form):
        return ("one of " if len(choices) > 1 else "") + ", ".join(str(choice) for choice in choices)
    words = {
        "integer": "an integer",
        "number": "a number",
        "string": "a path" if "format" in form else "text",
        "boolean": "true or false",
        "null": "none",
        "object": "options by name",
    }
    return words[form["type"]] + _range(form)[1]
