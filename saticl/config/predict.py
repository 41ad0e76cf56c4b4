"""What `predict` can be told."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from saticl.options import (
    Count,
    FrozenOptions,
    NotNegative,
)


class PredictTaskOptions(FrozenOptions):
    """Which step."""

    step: Annotated[int, Field(ge=0)] | None = Field(None, description="step to apply (default: the last trained)")


class PredictConfig(FrozenOptions):
    """Make class maps of whole images, with the place on the ground that the images have."""

    words: ClassVar[str] = "scenes"

    scenes: tuple[str, ...] = Field(
        (),
        description="images: files, folders, patterns such as 'city/*.tif', addresses (https://, s3://), or text "
        "files (.txt) that name one per line",
    )
    run: Path = Field(description="folder of a run, or of one of its steps")
    dst: Path = Field(description="folder for the maps")
    size: Annotated[int, Field(ge=16)] | None = Field(
        None, description="side of the windows in pixels (default: 512, or what the encoder was built for)"
    )
    overlap: Annotated[int, Field(ge=0)] | None = Field(
        None, description="pixels that neighbouring windows share (default: a quarter of --size)"
    )
    batch_size: Count = Field(4, description="windows per batch, in every process")
    tta: Literal[1, 4, 8] = Field(
        1, description="mean over turned views of every window: 4 quarter turns, or 8 with mirrored ones"
    )
    confidence: Literal["margin", "entropy"] | None = Field(
        None,
        description="also write how sure the network is, from 0 to 1. margin: the largest probability minus the "
        "second; entropy: 1 minus the entropy of all",
    )
    probabilities: bool = Field(False, description="also write the probability of every class")
    vector: Literal["gpkg", "geojson"] | None = Field(
        None, description="also write polygons with class, area and source, as GeoPackage or GeoJSON"
    )
    min_area: NotNegative = Field(
        0.0, description="smallest polygon in square metres; smaller ones go to their largest neighbour"
    )
    simplify: NotNegative = Field(
        0.0, description="metres by which borders of polygons may move; neighbours keep the same border"
    )
    ground_truth: Path | None = Field(
        None,
        description="mask of the one image, or folder of masks with the names of the images: the maps are scored. "
        "Masks have the colours of the classes, or the values of the map",
    )
    cluster: str | None = Field(
        None,
        description="address of a Dask scheduler (tcp://host:8786) whose workers predict the images, one image each",
    )
    task: PredictTaskOptions = PredictTaskOptions()
