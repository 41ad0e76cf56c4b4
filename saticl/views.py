"""How training images of a dataset may be varied: said by its adapter, kept in the manifest, followed in training."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Symmetries = Literal["square", "mirror", "none"]
"""What turns one image into another of the same world: the eight symmetries of the square, left-right, or nothing."""

Factor = Annotated[float, Field(gt=0, le=8)]

SCALE = (0.5, 2.0)
"""The usual range of `crop: scale`."""


class Views(BaseModel):
    """Which symmetries and which crops suit a dataset; by default those of aerial images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symmetries: Symmetries = "square"
    crop: Literal["enlarge", "scale"] = "enlarge"
    """`enlarge`: mostly a square of 50 to 100 % of the crop's side, enlarged. `scale`: the image is made larger or
    smaller by a random factor, then cut; where it is too small, the rest is ignored."""
    scale: tuple[Factor, Factor] | None = None
    """Smallest and largest factor of `crop: scale`; None: 0.5 to 2."""

    @model_validator(mode="after")
    def _scale_fits(self) -> Self:
        if self.scale is not None and self.crop != "scale":
            raise ValueError("scale needs `crop: scale`: add it, or leave scale out")
        if self.scale is not None and self.scale[0] > self.scale[1]:
            raise ValueError(f"scale is [smallest, largest], but {self.scale[0]:g} is larger than {self.scale[1]:g}")
        return self

    @property
    def factors(self) -> tuple[float, float]:
        """Smallest and largest factor of `crop: scale`."""
        return self.scale or SCALE
