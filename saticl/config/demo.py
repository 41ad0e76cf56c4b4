"""What `demo` can be told."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from saticl.options import (
    FrozenOptions,
)


class DemoConfig(FrozenOptions):
    """Draw a synthetic city, with the folders and file names of a downloaded dataset."""

    dst: Path = Field(description="folder to write")
    layout: Literal["potsdam", "vaihingen"] = Field(
        "potsdam", description="dataset whose folder names and file names are used"
    )
    scenes: Annotated[int, Field(ge=2)] = Field(
        6, description="number of scenes; about a third of them are for testing"
    )
    size: Annotated[int, Field(ge=64)] = Field(768, description="side of a scene in pixels")
    seed: int = Field(0, description="the same seed gives the same bytes", ge=0)
