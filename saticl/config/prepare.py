"""What `prepare` can be told."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from saticl.errors import InvalidOptions
from saticl.options import (
    Count,
    FrozenOptions,
    Share,
)

Source = Annotated[str, BeforeValidator(str)]
"""A folder, a file or an address; `Path` would make one slash of the two in an address."""

TILE_SIZE = 512
"""Side of a tile in pixels, where nothing is said."""


class PrepareConfig(FrozenOptions):
    """Cut raw imagery into overlapping, georeferenced tiles."""

    src: Source = Field(
        description="folder of the raw imagery; or, for a dataset of your own, a STAC item collection (.json) or a "
        "list of files (.txt), also at an https address"
    )
    dst: Path | None = Field(None, description="folder for the tiles; only --check works without it")
    dataset: str = Field(
        "potsdam", description="dataset, see `list datasets`, or the YAML file that describes your own folder"
    )
    channels: str | None = Field(
        None, description="which images, where the dataset offers several, see `list datasets` (default: its first)"
    )
    tile_size: Annotated[int, Field(ge=16)] | None = Field(
        None,
        description="side of a tile in pixels (default: 512; images of datasets of photographs and street scenes are "
        "used whole, and stay where they are)",
    )
    overlap: Annotated[int, Field(ge=0)] | None = Field(
        None, description="pixels that neighbouring tiles share (default: 7/32 of a tile, 112 of 512)"
    )
    min_valid: Share = Field(
        0.0, description="leave out tiles of which a smaller share of the pixels holds data, for example 0.3"
    )
    gsd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="metres of ground per pixel of the tiles (default: as in the source)"
    )
    target_crs: str | None = Field(
        None, description="coordinate system of the tiles, such as EPSG:32633 (default: as in the source)"
    )
    dsm: bool = Field(False, description="add the surface model as a last band, where the dataset offers one")
    labels: str | None = Field(
        None, description="which masks, where the dataset offers several, see `list datasets` (default: its first)"
    )
    crs: str | None = Field(None, description="coordinate system where the source has none, such as EPSG:32633")
    nodata: float | None = Field(
        None, description="value of pixels without data in images whose files name none, such as 0 or -9999"
    )
    jobs: Count = Field(2, description="processes that cut at the same time")
    cluster: str | None = Field(
        None, description="address of a Dask scheduler (tcp://host:8786) whose workers cut, in place of --jobs"
    )
    shard: str | None = Field(
        None,
        description="cut only one part of the scenes, as one of several jobs on a cluster; written i/n, for example "
        "2/8 for the second of eight parts",
    )
    allow_missing: bool = Field(False, description="accept an incomplete download")
    overwrite: bool = Field(False, description="replace a dataset that was prepared with other options")
    check: bool = Field(
        False,
        description="only read the source and say what is there, what lacks and what is wrong; nothing is written "
        "to --src or --dst, and the exit code is 2 if `prepare` would refuse the source",
    )
    check_json: Path | None = Field(None, description="with --check: also write all that was found to this JSON file")

    @property
    def tiles(self) -> Path:
        """The folder for the tiles; raises InvalidOptions where none was given."""
        if self.dst is None:
            raise InvalidOptions("--dst is required: folder for the tiles. Only --check works without it.")
        return self.dst

    @property
    def side(self) -> int:
        """Side of the tiles, where images are cut."""
        return TILE_SIZE if self.tile_size is None else self.tile_size

    @property
    def shared(self) -> int:
        """The overlap in pixels, which grows with the tile where it is not given."""
        return self.side * 7 // 32 if self.overlap is None else self.overlap
