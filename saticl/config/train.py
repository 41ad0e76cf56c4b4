"""What `train` can be told."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from saticl.labels import Hidden, OldLabels, Unlabelled, Void
from saticl.methods.options import (
    BARMOptions,
    CILOptions,
    DKDOptions,
    EWCOptions,
    EWFOptions,
    HCISSOptions,
    JCDOptions,
    LGKDOptions,
    MBSOptions,
    MiCroOptions,
    NeSTOptions,
    PIOptions,
    PLOPOptions,
    RCILOptions,
    ReminderOptions,
    RWOptions,
    SDROptions,
    SegACILOptions,
    SSULOptions,
    STAROptions,
)
from saticl.options import (
    AugOptions,
    CEOptions,
    Count,
    FolderName,
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
        "pixels are what --hidden says (default: use with --extend and --task.filter-mode sequential, else ignore, as "
        "in the published tasks)",
    )
    hidden: Hidden = Field(
        "background",
        description="pixels of classes that the step may not see, of earlier and later steps. background: they show "
        "none of the new classes; ignore: no loss sees them (as in CIL)",
    )
    void: Void = Field(
        "ignore",
        description="pixels with label 255, also those without data. ignore: no loss sees them (as in PLOP); "
        "background: they show none of the new classes (as in MiB)",
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
    method: str = Field(
        "jcd",
        description="learning method, see `list methods`, or your own as package.module:Class; with --extend: cbd "
        "where none is named",
    )
    name: FolderName | None = Field(None, description="name of the run (default: the method's)")
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
        "balanced",
        description="how much a labelled pixel counts. balanced: those of rare classes more (1 divided by the square "
        "root of the pixels of their class); none: all the same, as in most papers",
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
    jcd: JCDOptions = JCDOptions()
    hciss: HCISSOptions = HCISSOptions()
    micro: MiCroOptions = MiCroOptions()
    dkd: DKDOptions = DKDOptions()
    star: STAROptions = STAROptions()
    barm: BARMOptions = BARMOptions()
    ssul: SSULOptions = SSULOptions()
    segacil: SegACILOptions = SegACILOptions()
    mbs: MBSOptions = MBSOptions()
    reminder: ReminderOptions = ReminderOptions()
    sdr: SDROptions = SDROptions()
    ewf: EWFOptions = EWFOptions()
    nest: NeSTOptions = NeSTOptions()
    rcil: RCILOptions = RCILOptions()
    tracking: TrackingOptions = TrackingOptions()

    @property
    def rotates(self) -> bool:
        """Whether rotation contrastive distillation is on."""
        return self.aug.factor > 0 or self.aug.factor_icl > 0
