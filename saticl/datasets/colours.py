"""Colours and numbers of classes, as a description writes them, and how classes look in maps and figures."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from saticl.geo.palette import distinct_colours
from saticl.labels import Colour


def _value(value: object) -> object:
    """A colour as three numbers, or a number; other things are refused."""
    if isinstance(value, str) and re.fullmatch(r"#?[0-9A-Fa-f]{6}", value):
        digits = value.lstrip("#")
        return tuple(int(digits[start : start + 2], 16) for start in (0, 2, 4))
    is_number = isinstance(value, int) and not isinstance(value, bool) and -(2**15) <= value < 2**16
    is_colour = (
        isinstance(value, list) and len(value) == 3 and all(isinstance(c, int) and 0 <= c <= 255 for c in value)
    )
    if is_number or is_colour:
        return tuple(value) if isinstance(value, list) else value
    raise ValueError(
        f'{value!r} is neither a colour ("#RRGGBB" in quotes, or [r, g, b]) nor a number from -32768 to 65535'
    )


def _colour(value: object) -> object:
    """A colour as three numbers; numbers are refused too."""
    if isinstance(value, int):
        raise ValueError(f'{value!r} is no colour: write "#RRGGBB" in quotes, or [r, g, b]')  # noqa: TRY004 - for pydantic
    return _value(value)


Value = Annotated[Colour | int, BeforeValidator(_value)]
"""What a class or ignored pixels are in masks."""

MapColour = Annotated[Colour, BeforeValidator(_colour)]
"""What a class is in maps."""


def shown(value: Colour | int) -> str:
    """The value as a user writes it."""
    return str(value) if isinstance(value, int) else "#" + "".join(f"{channel:02X}" for channel in value)


def known_colours(classes: Mapping[str, Colour | int], own: Mapping[str, Colour]) -> dict[str, Colour]:
    """How classes look in maps, as far as it is said: by `own`, or else as in the masks.

    Raises:
        ValueError: `own` names no class, or two classes look the same.
    """
    unknown = next((name for name in own if name not in classes), None)
    if unknown is not None:
        raise ValueError(f"colours names {unknown!r}, but the classes are {', '.join(classes)}")
    known = {name: value for name, value in {**classes, **own}.items() if isinstance(value, tuple)}
    owners: dict[Colour, str] = {}
    for name, colour in known.items():
        if owners.setdefault(colour, name) != name:
            raise ValueError(
                f"{owners[colour]} and {name} have the same colour {shown(colour)} in maps: give one of them another "
                "under `colours`"
            )
    return known


def map_colours(classes: Mapping[str, Colour | int], own: Mapping[str, Colour]) -> tuple[Colour, ...]:
    """A colour per class, in their order: as it is said, or else one that differs from all others."""
    known = known_colours(classes, own)
    others = [name for name in classes if name not in known]
    made = dict(zip(others, distinct_colours(len(others), tuple(known.values())), strict=True))
    return tuple((known | made)[name] for name in classes)
