"""The option trees of the commands. Assembly only: the sections are in `options.py`.

Precedence: defaults < the method's own defaults < --config files < environment < flags. Nothing here edits what the
user typed; contradictions raise `InvalidOptions`.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from saticl.errors import InvalidOptions
from saticl.labels import OldLabels, Unlabelled
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

Source = Annotated[str, BeforeValidator(str)]
"""A folder, a file or an address; `Path` would make one slash of the two in an address."""


class TrainConfig(FrozenOptions):
    """Learn the classes of one step, or of all steps one after another."""

    main: ClassVar[tuple[str, ...]] = (
        *("data_root", "extend", "add", "method", "name", "output_folder"),
        *("task.name", "task.step", "task.filter_mode"),
        *("model.encoder", "model.pretrained", "trainer.batch_size", "trainer.max_epochs", "trainer.amp"),
        *("trainer.resume", "aug.factor", "aug.factor_icl"),
    )

    data_root: Path | None = Field(
        None, description="folder that `prepare` wrote; always needed, unless the task names one folder per step"
    )
    extend: Path | None = Field(
        None, description="folder of a trained step: learn new classes, named with --add, on top of it"
    )
    add: tuple[str, ...] = Field((), description="new class for --extend, by its name in --data-root")
    labels_of_old: OldLabels | None = Field(
        None,
        description="labels of classes that earlier steps have learned. use: learn from them too; ignore: these "
        "pixels are background (default: use with --extend, else ignore, as in the published tasks)",
    )
    unlabelled: Unlabelled = Field(
        "background",
        description="pixels where no class was drawn. background: they show none of the new classes; ignore: nothing "
        "is known of them",
    )
    normalization: Literal["model", "data"] = Field(
        "model",
        description="mean and deviation that images are normalised with after step 0: those that the previous model "
        "was trained with, or those of the new data",
    )
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
        "none",
        description="how much a labelled pixel counts. none: all the same; balanced: those of rare classes more (1 "
        "divided by the square root of the pixels of their class)",
    )
    sampling: Literal["even", "balanced"] = Field(
        "even",
        description="how often a tile is drawn. even: every tile once per epoch; balanced: new classes equally often, "
        "and tiles that show more of a class more often",
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
    def old_labels(self) -> OldLabels:
        """What becomes of labels of old classes."""
        return self.labels_of_old or ("ignore" if self.extend is None else "use")

    @property
    def rotates(self) -> bool:
        """Whether rotation contrastive distillation is on."""
        return self.aug.factor > 0 or self.aug.factor_icl > 0


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
    tile_size: Annotated[int, Field(ge=16)] = Field(512, description="side of a tile in pixels")
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
    def shared(self) -> int:
        """The overlap in pixels, which grows with the tile where it is not given."""
        return self.tile_size * 7 // 32 if self.overlap is None else self.overlap


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
    data_root: tuple[Path, ...] = Field(
        (),
        description="folder that `prepare` wrote, on which all steps are scored (default: every folder that a step of "
        "the run was trained on)",
    )
    unlabelled: Unlabelled = Field(
        "background",
        description="pixels where no class was drawn. background: they show no class that the folder labels; ignore: "
        "they are not scored",
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


class ImportConfig(FrozenOptions):
    """Make a step 0 out of a model that another program has trained."""

    checkpoint: Path = Field(
        description="file of the model's weights (.safetensors, .pth or .pt; code in it is never run)"
    )
    architecture: Literal["smp-unet"] = Field(
        description="network of the other program. smp-unet: Unet of segmentation_models_pytorch, default sizes"
    )
    encoder: str = Field(description="encoder, by the name that the other program has for it, such as tu-resnet34")
    classes: str = Field(
        description="names of the classes in the order of the model's outputs, with commas: road,water,other"
    )
    background: str | None = Field(
        None,
        description="the class that stands for everything else (default: none of them; index 0 then never wins)",
    )
    colours: str | None = Field(
        None, description="a colour per class, in the same order, as RRGGBB with commas (default: chosen for you)"
    )
    bands: str = Field("red,green,blue", description="names of the bands that the model reads, in their order")
    normalization: Literal["imagenet", "unit", "raw"] | None = Field(
        None,
        description="how pixels of 0 to 255 were scaled for the model. imagenet: by ImageNet's mean and deviation; "
        "unit: divided by 255; raw: not at all",
    )
    mean: str | None = Field(
        None, description="instead: what was subtracted from the pixels as they are stored, per band, with commas"
    )
    std: str | None = Field(None, description="and by what they were then divided, per band, with commas")
    image_size: Count = Field(512, description="side of the images it was trained with, for encoders that need it")
    dataset: str = Field("imported", description="name of the dataset, as the folder that `prepare` writes has it")
    data_root: Path | None = Field(
        None, description="folder that `prepare` wrote, on which `test` scores the model unless it is told another"
    )
    name: str | None = Field(None, description="name of the run (default: the name of the file)")
    output_folder: Path = Field(
        Path("outputs"), description="folder of all runs; this one goes to <dataset>/offline/<name>/step-0 below it"
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
