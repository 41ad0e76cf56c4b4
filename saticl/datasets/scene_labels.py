"""The labels of one scene as a description has them: its masks, its polygons, and which label each value is."""

from collections.abc import Callable, Mapping

from saticl.datasets.base import MaskFile, Polygons
from saticl.datasets.description import Description
from saticl.datasets.labelling import LayerPart
from saticl.geo.layer import Layer
from saticl.geo.palette import Palette, PresencePalette
from saticl.labels import IGNORE, UNLABELLED

Where = Callable[[str], str]
"""From the name of a raw file to the file."""


def masks_of(
    description: Description, palette: Palette, where: Where, values: Mapping[str, str]
) -> tuple[MaskFile, ...]:
    """The masks of a scene, the lowest first; `values` are those of its placeholders."""
    masks, labels = description.masks, _labels(description)
    if isinstance(masks, dict):
        chosen = [(pattern, PresencePalette(labels[name])) for name, pattern in masks.items()]
        return tuple(MaskFile(where(pattern.format(**values)), presence) for pattern, presence in chosen)
    patterns = () if masks is None else (masks,) if isinstance(masks, str) else masks
    return tuple(MaskFile(where(pattern.format(**values)), palette) for pattern in patterns)


def polygons_of(description: Description, where: Where, values: Mapping[str, str]) -> Polygons | None:
    """The polygons of a scene; ignored ones are drawn last."""
    part = description.polygons
    if part is None:
        return None
    labels = _labels(description)
    drawn = [(value, labels[name]) for name, its_values in part.drawn(description.drawn) for value in its_values]
    return Polygons(
        layer=_layer(part, where, values),
        attribute=part.attribute,
        labels=(*drawn, *((value, IGNORE) for value in part.ignore)),
        skipped=part.skip,
        all_touched=part.all_touched,
        area=None if part.area is None else _layer(part.area, where, values),
    )


def rest_of(description: Description) -> int:
    """The label of pixels where nothing is drawn."""
    return UNLABELLED if description.rest is None else _labels(description)[description.rest]


def _labels(description: Description) -> dict[str, int]:
    return {name: label for label, name in enumerate(description.classes)}


def _layer(part: LayerPart, where: Where, values: Mapping[str, str]) -> Layer:
    return Layer(where(part.file.format(**values)), part.layer, part.crs)
