"""The option trees of the commands. Assembly only: the sections are in `options.py`.

Precedence: defaults < the method's own defaults < --config files < environment < flags. Nothing here edits what the
user typed; contradictions raise `InvalidOptions`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from saticl.methods.options import (
    CILOptions,
    EWCOptions,
    HCISSOptions,
    LGKDOptions,
    MiCroOptions,
    PIOptions,
    PLOPOptions,
    RWOptions,
)
from saticl.options import (
    AugOptions,
    CEOptions,
    Count,
    FrozenOptions,
    KDOptions,
    ModelOptions,
    OptimizerOptions,
    SchedulerOptions,
    Share,
    TaskOptions,
    TrackingOptions,
    TrainerOptions,
)


class TrainConfig(FrozenOptions):
    """Learn the classes of one step, or of all steps in turn."""

    data_root: Path = Field(description="folder that `prepare` wrote")
    dataset: str | None = Field(None, description="name of the prepared dataset, if it should be checked")
    method: str = Field("mib", description="learning method, see `list methods`")
    name: str | None = Field(None, description="name of the run (default: the method's)")
    output_folder: Path = Field(
        Path("outputs"), description="runs are written to <output>/<dataset>/<task>/<name>/step-N"
    )
    comment: str = Field("", description="note kept with the run")
    seed: int = Field(1337, description="seed of everything random", ge=0)
    image_size: Count | None = Field(None, description="side of the training crop in pixels (default: the whole tile)")
    in_channels: Count | None = Field(None, description="use the first bands of the data only (default: all)")
    channel_drop: Share = Field(0.0, description="probability of blanking one random band of a training tile")
    modality_drop: Share = Field(0.0, description="probability of blanking all bands beyond the first three")
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: weight classes by the inverse square root of their pixel share"
    )
    val_size: Share = Field(0.1, description="share of the training scenes kept for validation (at least one)")
    task: TaskOptions = TaskOptions()
    model: ModelOptions = ModelOptions()
    trainer: TrainerOptions = TrainerOptions()
    optimizer: OptimizerOptions = OptimizerOptions()
    scheduler: SchedulerOptions = SchedulerOptions()
    ce: CEOptions = CEOptions()
    kd: KDOptions = KDOptions()
    aug: AugOptions = AugOptions()
    ewc: EWCOptions = EWCOptions()
    pi: PIOptions = PIOptions()
    rw: RWOptions = RWOptions()
    plop: PLOPOptions = PLOPOptions()
    lgkd: LGKDOptions = LGKDOptions()
    cil: CILOptions = CILOptions()
    hciss: HCISSOptions = HCISSOptions()
    micro: MiCroOptions = MiCroOptions()
    tracking: TrackingOptions = TrackingOptions()

    @property
    def rotates(self) -> bool:
        """Whether rotation contrastive distillation is on."""
        return self.aug.factor > 0 or self.aug.factor_icl > 0


class PrepareConfig(FrozenOptions):
    """Cut raw imagery into overlapping, georeferenced tiles."""

    src: Path = Field(description="folder of the raw imagery")
    dst: Path = Field(description="folder for the tiles")
    dataset: str = Field(
        "potsdam", description="dataset, see `list datasets`, or the YAML file that describes your own folder"
    )
    channels: Literal["rgb", "irrg", "rgbir"] | None = Field(
        None, description="which images, where the dataset has several (default: the dataset's first)"
    )
    tile_size: Annotated[int, Field(ge=16)] = Field(512, description="side of a tile in pixels")
    overlap: Annotated[int, Field(ge=0)] = Field(112, description="pixels that neighbouring tiles share")
    dsm: bool = Field(False, description="add the surface model as a last band")
    labels: Literal["full", "eroded"] = Field(
        "full", description="masks with class boundaries, or without (ignored there)"
    )
    crs: str | None = Field(None, description="coordinate system where the source has none, such as EPSG:32633")
    jobs: Count = Field(2, description="blocks of scenes cut at the same time")
    shard: str | None = Field(None, description="do part i of n only, as i/n from 1/n to n/n, for job arrays")
    allow_missing: bool = Field(False, description="accept an incomplete download")
    overwrite: bool = Field(False, description="replace a dataset that was prepared with other options")


class TestTaskOptions(FrozenOptions):
    """Which step, and what unseen classes count as."""

    step: Annotated[int, Field(ge=0)] | Literal["all"] | None = Field(
        None, description="step to score (default: the last trained)"
    )
    unseen: Literal["background", "ignore"] = Field(
        "background", description="what pixels of classes not learned yet count as: PLOP's and MiB's conventions"
    )


class TestConfig(FrozenOptions):
    """Score old, new and all classes."""

    run: Path = Field(description="folder of a run: <output>/<dataset>/<task>/<name>, or of one of its steps")
    data_root: Path | None = Field(
        None, description="folder that `prepare` wrote (default: where the run was trained)"
    )
    split: Literal["test", "val"] = Field("test", description="tiles to score")
    batch_size: Count = Field(8, description="tiles per process and iteration")
    num_workers: Annotated[int, Field(ge=0)] = Field(2, description="loader processes")
    predictions: bool = Field(False, description="write the class map of every tile as GeoTIFF")
    restricted: bool = Field(
        False,
        description="also score each step's classes among themselves: other truth and other outputs left out",
    )
    joint: Path | None = Field(
        None, description="run of the task `offline` on the same data, to compare with (needs --task.step all)"
    )
    panels: Annotated[int, Field(ge=0)] = Field(6, description="tiles shown in the figure of predictions")
    task: TestTaskOptions = TestTaskOptions()


class DemoConfig(FrozenOptions):
    """Write a synthetic city in the raw layout of a dataset."""

    dst: Path = Field(description="folder to write")
    layout: Literal["potsdam", "vaihingen"] = Field("potsdam", description="folder and file names to imitate")
    scenes: Annotated[int, Field(ge=2)] = Field(
        6, description="scenes, of which about a third are official test tiles"
    )
    size: Annotated[int, Field(ge=64)] = Field(768, description="side of a scene in pixels")
    seed: int = Field(0, description="the same seed gives the same bytes", ge=0)
