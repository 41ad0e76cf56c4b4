"""Where polygons are, as a plain value: no vector library is loaded where there are none."""

from dataclasses import dataclass

OF_IMAGE = "image"
"""Instead of a coordinate system: that of the image, whatever it is; pixels where it has none."""


@dataclass(frozen=True)
class Layer:
    """Where polygons are."""

    path: str
    name: str | None = None
    """None: the only one of the file."""
    crs: str | None = None
    """None: as the file says."""

    def __str__(self) -> str:
        return self.path if self.name is None else f"The layer {self.name!r} of {self.path}"


def text(value: object) -> str:
    """A value of an attribute as people write it: 3 for 3.0, true, and null where there is none."""
    if value is None or value != value:  # noqa: PLR0124 - not a number is the only value that differs from itself
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
