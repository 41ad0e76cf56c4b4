"""Reading of a description from its file: a mistake in it is one sentence."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from saticl.datasets.description import Description, ProtocolPart, SplitPart
from saticl.datasets.labelling import LayerPart, PolygonsPart
from saticl.errors import InvalidOptions
from saticl.views import Views


def load(path: Path) -> Description:
    """Read and check a description; raises InvalidOptions with one sentence, UnknownName for an unknown class."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
        description = Description.model_validate(content)
    except OSError as error:
        raise InvalidOptions(f"The description {path} cannot be read: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidOptions(f"The description {path} is not valid YAML: {' '.join(str(error).split())}.") from error
    except ValidationError as error:
        raise InvalidOptions(f"The description {path} cannot be used: {_first(error)}.") from error
    for protocol in description.learning_orders:
        protocol.validate(tuple(description.classes))
    return description


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key may occur once: of two classes of one name, the first would silently vanish."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _first(error: ValidationError) -> str:
    """The first mistake, in words."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{place!r} is not a valid key; valid keys are {', '.join(_keys(first['loc']))}"
    if first["type"] == "missing":
        return f"{place!r} is missing"
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _keys(place: tuple[int | str, ...]) -> list[str]:
    sections: dict[object, type[BaseModel]] = {
        "split": SplitPart,
        "protocols": ProtocolPart,
        "views": Views,
        "polygons": PolygonsPart,
        "area": LayerPart,
    }
    return list(next((sections[key] for key in reversed(place[:-1]) if key in sections), Description).model_fields)
