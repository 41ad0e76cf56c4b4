"""The option trees of the commands. Assembly only: the sections are in `options.py`.

Precedence: defaults < the method's own defaults < --config files < environment < flags. Nothing here edits what the
user typed; contradictions raise `InvalidOptions`.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

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
    """Learn the classes of one step, or of all steps one after another."""

    main: ClassVar[tuple[str, ...]] = (
        *("data_root", "method", "name", "output_folder", "task.name", "task.step", "task.filter_mode"),
        *("model.encoder", "model.pretrained", "trainer.batch_size", "trainer.max_epochs", "trainer.amp"),
        *("trainer.resume", "aug.factor", "aug.factor_icl"),
    )

    data_root: Path = Field(description="folder that `prepare` wrote")
    dataset: str | None = Field(None, description="name of the expected dataset; a folder with another one is refused")
    method: str = Field("mib", description="learning method, see `list methods`, or your own as package.module:Class")
    name: str | None = Field(None, description="name of the run (default: the method's)")
    output_folder: Path = Field(
        Path("outputs"), description="folder of all runs; this one goes to <dataset>/<task>/<name>/step-N below it"
    )
    comment: str = Field("", description="a note that is kept with the run")
    seed: int = Field(1337, description="the same seed gives the same run", ge=0)
    image_size: Count | None = Field(None, description="side of the training crop in pixels (default: the whole tile)")
    in_channels: Count | None = Field(None, description="read only this many bands, from the first (default: all)")
    channel_drop: Share = Field(0.0, description="probability that one random band of a tile is replaced by its mean")
    modality_drop: Share = Field(
        0.0, description="probability that all bands after the third are replaced by their mean"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: rare classes count more (1 divided by the square root of their pixels)"
    )
    val_size: Share = Field(
        0.1, description="share of the training scenes that are kept for validation (at least one scene)"
    )
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
    channels: str | None = Field(
        None, description="which images, where the dataset offers several, see `list datasets` (default: its first)"
    )
    tile_size: Annotated[int, Field(ge=16)] = Field(512, description="side of a tile in pixels")
    overlap: Annotated[int, Field(ge=0)] = Field(112, description="pixels that neighbouring tiles share")
    dsm: bool = Field(False, description="add the surface model as a last band, where the dataset offers one")
    labels: str | None = Field(
        None, description="which masks, where the dataset offers several, see `list datasets` (default: its first)"
    )
    crs: str | None = Field(None, description="coordinate system where the source has none, such as EPSG:32633")
    jobs: Count = Field(2, description="processes that cut at the same time")
    shard: str | None = Field(
        None,
        description="cut only one part of the scenes, as one of several jobs on a cluster; written i/n, for example "
        "2/8 for the second of eight parts",
    )
    allow_missing: bool = Field(False, description="accept an incomplete download")
    overwrite: bool = Field(False, description="replace a dataset that was prepared with other options")


class TestTaskOptions(FrozenOptions):
    """Which step, and what unseen classes count as."""

    step: Annotated[int, Field(ge=0)] | Literal["all"] | None = Field(
        None, description="step to score (default: the last trained)"
    )
    unseen: Literal["background", "ignore"] = Field(
        "background",
        description="what pixels of classes that are not learned yet count as: background (as in PLOP) or nothing "
        "(as in MiB)",
    )


class TestConfig(FrozenOptions):
    """Score trained steps: old, new and all classes."""

    run: Path = Field(description="folder of a run: <output>/<dataset>/<task>/<name>, or of one of its steps")
    data_root: Path | None = Field(
        None, description="folder that `prepare` wrote (default: where the run was trained)"
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
    panels: Annotated[int, Field(ge=0)] = Field(6, description="number of tiles in the figure of predictions")
    task: TestTaskOptions = TestTaskOptions()


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
