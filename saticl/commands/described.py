"""What the options of `import` say of a model: its classes, colours, bands and normalisation, each checked."""

import math
import re
from dataclasses import dataclass

from saticl.config import ImportConfig
from saticl.errors import InvalidOptions
from saticl.geo.palette import distinct_colours
from saticl.labels import MAX_CLASSES, Colour
from saticl.models.foreign.head import Channels

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of red, green and blue between 0 and 1, as networks trained on ImageNet are given them."""
WHITE = 255.0


@dataclass(frozen=True)
class Described:
    """A model as its user describes it."""

    channels: Channels
    colours: tuple[Colour, ...]
    """By class, in the order of the outputs."""
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    """Per band, in raw units."""
    std: tuple[float, ...]


def describe_model(config: ImportConfig) -> Described:
    """The description of a model.

    Raises:
        InvalidOptions: lists that are empty, repeat a name or differ in length; no normalisation, or two.
    """
    channels = Channels(_names(config.classes, "--classes"), config.background)
    if len(channels.classes) > MAX_CLASSES:
        raise InvalidOptions(f"--classes names {len(channels.classes)}, but masks hold at most {MAX_CLASSES} classes.")
    bands = _names(config.bands, "--bands")
    mean, std = _normalization(config, bands)
    return Described(channels, _colours(config.colours, channels.classes), bands, mean, std)


def _names(text: str, option: str) -> tuple[str, ...]:
    names = _list(text)
    twice = sorted({name for name in names if names.count(name) > 1})
    if not all(names):
        raise InvalidOptions(
            f"{option} {text!r} has an empty name: write names with commas between them, as in a,b,c."
        )
    if twice:
        raise InvalidOptions(f"{option} names {', '.join(twice)} more than once: give each a name of its own.")
    return names


def _colours(text: str | None, classes: tuple[str, ...]) -> tuple[Colour, ...]:
    if text is None:
        return distinct_colours(len(classes))
    colours = tuple(word.removeprefix("#") for word in _list(text))
    wrong = [word for word in colours if not re.fullmatch("[0-9A-Fa-f]{6}", word)]
    if wrong:
        raise InvalidOptions(f"--colours has {wrong[0]!r}, which is no colour: write RRGGBB, as in FF0000 for red.")
    _require_as_many(len(colours), "--colours", classes, "--classes")
    return tuple((int(word[:2], 16), int(word[2:4], 16), int(word[4:], 16)) for word in colours)


def _normalization(config: ImportConfig, bands: tuple[str, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation per band, in raw units."""
    named = config.normalization is not None
    if named == (config.mean is not None or config.std is not None) or (config.mean is None) != (config.std is None):
        raise InvalidOptions(
            "Say once how pixels were scaled for the model, because its weights do not: with --normalization "
            "(imagenet, unit or raw), or with both --mean and --std, in the units of the pixels."
        )
    if config.mean is not None and config.std is not None:
        mean, std = _numbers(config.mean, "--mean", bands), _numbers(config.std, "--std", bands)
        if min(std) <= 0:
            raise InvalidOptions(f"--std {config.std} must be above 0 for every band: pixels are divided by it.")
        return mean, std
    if config.normalization == "imagenet":
        if len(bands) != len(IMAGENET[0]):
            raise InvalidOptions(
                f"--normalization imagenet knows red, green and blue, and --bands names {len(bands)} "
                f"({', '.join(bands)}): give --mean and --std instead."
            )
        return tuple(WHITE * value for value in IMAGENET[0]), tuple(WHITE * value for value in IMAGENET[1])
    return (0.0,) * len(bands), (WHITE if config.normalization == "unit" else 1.0,) * len(bands)


def _numbers(text: str, option: str, bands: tuple[str, ...]) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in _list(text))
    except ValueError:
        numbers = (math.nan,)
    if not all(map(math.isfinite, numbers)):
        raise InvalidOptions(f"{option} {text!r} are not numbers: write one per band with commas, as in 123.7,116.3.")
    _require_as_many(len(numbers), option, bands, "--bands")
    return numbers


def _require_as_many(number: int, option: str, names: tuple[str, ...], other: str) -> None:
    if number != len(names):
        raise InvalidOptions(f"{option} has {number} values, and {other} names {len(names)} ({', '.join(names)}).")


def _list(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))
