"""From what the user set, wherever that was, to one validated tree; every mistake becomes one sentence.

A setting is a value with its place of origin. Later settings win: method defaults, files, environment, flags.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path as FilePath
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from saticl.errors import InvalidOptions
from saticl.flags.leaves import Leaf, Path, Tree, nearest, tree

AnyConfig = TypeVar("AnyConfig", bound=BaseModel)

PREFIX = "SATICL_"
"""Of environment variables."""


@dataclass(frozen=True)
class Setting:
    """One value that was set, and where."""

    path: Path
    value: object
    source: str
    """Names the option and its origin in a sentence: --trainer.batch-size, or trainer.batch_size in fast.yaml."""


def from_file(path: FilePath, known: Tree) -> list[Setting]:
    """Settings of a YAML overlay; raises InvalidOptions when it cannot be read or names an unknown option."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except OSError as error:
        raise InvalidOptions(f"The configuration {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidOptions(f"The configuration {path} is not a text file in UTF-8.") from None
    except yaml.YAMLError as error:
        raise InvalidOptions(f"The configuration {path} is not valid YAML: {_reason(error)}.") from None
    if not isinstance(document, dict | None):
        raise InvalidOptions(f"The configuration {path} must hold sections and options, such as `method: mib`.")
    return from_document(document or {}, str(path), known)


def from_document(document: Mapping[Any, object], file: str, known: Tree) -> list[Setting]:
    """Settings of sections and options; a name may also be written with its section: `aug.factor: 0.1`.

    Raises:
        InvalidOptions: an option that is not known, or is there twice.
    """
    settings = list(_flatten(document, (), file, known))
    for index, setting in enumerate(settings):
        if any(setting.path == other.path for other in settings[:index]):
            raise InvalidOptions(f"{'.'.join(setting.path)} is written twice in {file}: keep one of them.")
    return settings


def from_environment(environment: Mapping[str, str], known: Tree) -> list[Setting]:
    """Settings of the variables that belong to this tree."""
    return [
        Setting(leaf.path, leaf.parsed(environment[leaf.variable], leaf.variable), leaf.variable)
        for leaf in known.leaves.values()
        if leaf.variable in environment and not leaf.is_tree
    ]


def check_environment(environment: Iterable[str], trees: Iterable[Tree]) -> None:
    """Raise InvalidOptions for a variable SATICL_SECTION__OPTION that no command knows, rather than ignore a typo.

    Names without a double underscore pass: scripts around this program may have variables of their own.
    """
    known = {leaf.dotted: leaf.variable for branch in trees for leaf in branch.leaves.values()}
    for name in environment:
        if name.startswith(PREFIX) and "__" in name and name not in known.values():
            dotted = name.removeprefix(PREFIX).lower().replace("__", ".")
            near = [known[option] for option in nearest(dotted, known)]
            raise InvalidOptions(f"The environment variable {name} is not an option.{_meant(near)}")


def resolve(model: type[AnyConfig], settings: Iterable[Setting]) -> AnyConfig:
    """Validate all settings at once, the later of two on the same option winning; raises InvalidOptions."""
    chosen = {setting.path: setting for setting in settings}
    document: dict[str, Any] = {}
    for setting in chosen.values():
        *sections, name = setting.path
        branch = document
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[name] = setting.value
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidOptions("\n".join(_sentences(error, tree(model), chosen))) from None


def unknown_flag(token: str, known: Tree) -> InvalidOptions:
    """The error for a word on the command line that is no option; suggests the nearest flags."""
    if not token.startswith("-"):
        return InvalidOptions(f"{token!r} is not expected here: options are written as --option value.")
    name = token.partition("=")[0]
    dotted = name.lstrip("-").replace("-", "_")
    section = [leaf.flag for leaf in known.leaves.values() if leaf.path[0] == dotted]
    if (dotted,) in known.leaves and known.named(dotted).is_tree:
        return InvalidOptions(f"{name} is not a flag: write {dotted} into a YAML file, and name that with --config.")
    if section:
        return InvalidOptions(f"{name} is a section, not an option: it holds {', '.join(section)}.")
    flags = {leaf.dotted: leaf.flag for leaf in known.leaves.values() if not leaf.is_tree}
    flags |= {
        leaf.negative.lstrip("-").replace("-", "_"): leaf.negative for leaf in known.leaves.values() if leaf.switch
    }
    return InvalidOptions(f"There is no option {name}.{_meant([flags[near] for near in nearest(dotted, flags)])}")


def _flatten(document: Mapping[object, object], above: Path, file: str, known: Tree) -> Iterator[Setting]:
    for key, value in document.items():
        path = (*above, *str(key).split("."))
        name = ".".join(path)
        leaf = known.leaves.get(path)
        if leaf is not None:
            source = f"{name} in {file}"
            yield Setting(path, leaf.value(value, source), source)
        elif path not in known.sections:
            hint = _meant(nearest(name.replace("-", "_"), known.names))
            raise InvalidOptions(f"There is no option {name}, which {file} sets.{hint}")
        elif isinstance(value, dict):
            yield from _flatten(value, path, file, known)
        elif value is not None:  # a section whose lines are all commented out is nothing
            inside = ", ".join(leaf.dotted for leaf in known.leaves.values() if leaf.path[: len(path)] == path)
            raise InvalidOptions(f"{name} in {file} is a section, not an option: it holds {inside}.")


def _sentences(error: ValidationError, known: Tree, chosen: Mapping[Path, Setting]) -> Iterator[str]:
    """One sentence per option; pydantic reports each alternative of an option by itself."""
    told: set[Path] = set()
    for detail in error.errors(include_url=False):
        location = tuple(str(part) for part in detail["loc"])
        leaf = next((leaf for path, leaf in known.leaves.items() if location[: len(path)] == path), None)
        if leaf is None:  # a rule between options, written as a validator of the tree
            yield detail["msg"].removeprefix("Value error, ")
        elif leaf.path not in told:
            told.add(leaf.path)
            setting = chosen.get(leaf.path)
            if setting is not None and detail["type"] == "value_error":  # a rule of the option says what is wrong
                yield f"{setting.source} cannot be used: {detail['msg'].removeprefix('Value error, ')}."
            else:
                yield _sentence(leaf, setting, detail["input"])


def _sentence(leaf: Leaf, setting: Setting | None, found: object) -> str:
    """`found` is what was refused: where an option holds many values, one of them."""
    if setting is None:
        return f"{leaf.flag} is required: {leaf.help}."
    near = get_close_matches(str(found), [str(choice) for choice in leaf.choices], n=1)
    return f"{setting.source} must be {leaf.allowed}, not {found!r}.{_meant(near)}"


def _meant(names: list[str]) -> str:
    return f" Did you mean {', '.join(names)}?" if names else ""


def _reason(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem} in line {error.problem_mark.line + 1}"
    return str(error).splitlines()[0]


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that is written twice, of which YAML would silently drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{key.value!r} is written twice, again", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)
