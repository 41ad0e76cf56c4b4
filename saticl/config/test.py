"""What `test` can be told."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from saticl.labels import ScoredImages, Unlabelled, Unseen
from saticl.options import (
    Count,
    FrozenOptions,
)


class TestTaskOptions(FrozenOptions):
    """Which step, and what unseen classes count as."""

    step: Annotated[int, Field(ge=0)] | Literal["all"] | None = Field(
        None, description="step to score (default: the last trained)"
    )
    unseen: Unseen = Field(
        "background",
        description="what pixels of classes that are not learned yet count as: background (as in PLOP) or nothing "
        "(as in MiB)",
    )
    images: ScoredImages = Field(
        "all",
        description="tiles that a step is scored on. all: every tile; seen: those that show a class that it has "
        "learned (as in MiB and PLOP)",
    )


class TestConfig(FrozenOptions):
    """Score trained steps: old, new and all classes."""

    run: Path = Field(description="folder of a run: <output>/<dataset>/<task>/<name>, or of one of its steps")
    data_root: tuple[Path, ...] = Field(
        (),
        description="folder that `prepare` wrote, on which all steps are scored (default: every folder that a step of "
        "the run was trained on)",
    )
    unlabelled: Unlabelled | None = Field(
        None,
        description="pixels where no class was drawn. background: they show no class that the folder labels; ignore: "
        "they are not scored (default: as in the training on that folder)",
    )
    split: Literal["test", "val"] = Field("test", description="tiles to score")
    batch_size: Count = Field(8, description="tiles per batch, in every process")
    num_workers: Annotated[int, Field(ge=0)] = Field(2, description="processes that load tiles")
    predictions: bool = Field(False, description="also write the predicted class map of every tile, as GeoTIFF")
    restricted: bool = Field(
        False,
        description="also score the classes of each step alone, leaving out all other classes",
    )
    joint: Path | None = Field(
        None,
        description="a run that learned all classes in one step (task `offline`) on the same data, to compare with; "
        "needs --task.step all",
    )
    against: Path | None = Field(
        None,
        description="folder of another run of the same task, scored before: its classes are shown beside those of "
        "this one; needs --task.step all",
    )
    panels: Annotated[int, Field(ge=0)] = Field(6, description="number of tiles in the figure of predictions")
    task: TestTaskOptions = TestTaskOptions()
