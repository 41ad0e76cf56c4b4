"""All option groups: one frozen pydantic class per section of the command line and of YAML files.

This module imports neither torch nor anything else that is slow: `--help` is generated from it.
Every field is read somewhere; its description is its help text.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
OutputStride = Literal[8, 16, 32]


def folder_name(name: str) -> str:
    """The name, if it can be that of one folder; raises ValueError for slashes, parents, and hidden folders."""
    if not name or name.startswith(".") or any(mark in name for mark in "/\\\0"):
        raise ValueError(f"{name!r} becomes the name of a folder: write it without slashes and without a dot in front")
    return name


FilterMode = Literal["overlap", "disjoint", "noov", "sequential", "split", "balanced"]
"""Which tiles a step trains on."""

FolderName = Annotated[str, AfterValidator(folder_name)]
"""What becomes one folder below others."""


class FrozenOptions(BaseModel):
    """Options never change after validation, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    main: ClassVar[tuple[str, ...]] = ()
    """Of a command with many options: those that its short help page shows, by dotted name. Empty: all."""

    words: ClassVar[str] = ""
    """Of a command that takes words without a flag: the option that holds them."""

    hands_on: ClassVar[bool] = False
    """Whether what stands behind `--` are options of another command."""

    def to_yaml(self) -> str:
        """The whole tree as YAML, paths as plain text: itself a valid --config file."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


class TaskOptions(FrozenOptions):
    """Which classes are learned, and when."""

    name: str = Field(
        "offline",
        description="learning order: which classes come at which step, see `list tasks`; offline: all classes in "
        "one step",
    )
    step: Annotated[int, Field(ge=0)] | Literal["all"] = Field(
        0, description="step to train, counted from 0; all: every step, one after another"
    )
    filter_mode: FilterMode = Field(
        "overlap",
        description="which tiles a step trains on. overlap: all that show a new class; disjoint (or noov): of these, "
        "only tiles without classes of later steps; sequential: the same tiles, and labels of old classes are used; "
        "split: every tile belongs to one class, and so to one step, and classes get as many tiles; balanced: the "
        "same, and classes get the same share of their tiles",
    )
    splits: Literal["official", "merged"] = Field(
        "official",
        description="for tasks that name places. official: scenes for testing stay out of training; merged: all "
        "scenes are taken together, and --val-size of those of every place are kept for validation and scoring (test "
        "--split val)",
    )
    step_checkpoint: Path | None = Field(
        None, description="folder of the previous step (default: step-<N-1> beside this step's folder)"
    )
    protocols: Path | None = Field(None, description="YAML file with your own learning orders for this dataset")


class ModelOptions(FrozenOptions):
    """The network."""

    encoder: str = Field(
        "resnet34",
        description="part of the network that reads the image: any timm model with feature maps, or one of ours, see "
        "`list encoders`",
    )
    decoder: Literal[
        "unet", "unet-smp", "deeplabv3", "deeplabv3-aspp", "deeplabv3plus", "fpn", "upernet", "segformer", "erfnet"
    ] = Field(
        "unet",
        description="part of the network that turns feature maps into a map of classes, see `list decoders`",
    )
    pretrained: bool = Field(
        False,
        description="start from weights that timm offers for download (needs the internet, or files downloaded "
        "before)",
    )
    weights: Path | None = Field(
        None, description="start from encoder weights in a local file (.safetensors or .pth; code in it is never run)"
    )
    freeze: bool = Field(False, description="keep the encoder as it is after step 0")
    output_stride: OutputStride = Field(
        32,
        description="pixels of the image per pixel of the smallest feature map; 8 and 16 show finer details and need "
        "more memory",
    )
    act: Literal["ident", "relu", "leaky_relu", "elu"] = Field(
        "ident",
        description="activation function in the decoder; ident: the one that belongs to the norm, a leaky ReLU",
    )
    norm: Literal["std", "abn", "iabn", "iabn_sync"] = Field(
        "std",
        description="normalisation. std: batch norm; iabn: In-Place ABN, which saves memory "
        "(scripts/install_iabn.sh); iabn_sync: "
        "the same over several GPUs; abn: the same in plain torch",
    )
    dropout: Share = Field(0.1, description="share of values set to 0 before the classifier while training")
    dropout2d: bool = Field(False, description="dropout sets whole channels to 0 instead of single values")
    init_balanced: bool = Field(
        False, description="new classes start as copies of what the network calls background (MiB)"
    )


class TrainerOptions(FrozenOptions):
    """The training loop."""

    amp: bool = Field(
        False,
        description="compute in 16 bits, which is faster: bf16, or fp16 with In-Place ABN; float32 where neither "
        "works",
    )
    precision: Literal["auto", "float32", "bf16", "fp16"] = Field(
        "auto", description="number format to compute in; auto: as --trainer.amp says"
    )
    batch_size: Count = Field(8, description="tiles per batch, in every process")
    num_workers: Annotated[int, Field(ge=0)] = Field(2, description="processes that load tiles, per training process")
    max_epochs: Count = Field(
        100, description="largest number of passes over the training tiles, in each phase of a method"
    )
    max_iterations: Count | None = Field(
        None,
        description="largest number of iterations of a step, in each phase of a method (default: as many as the "
        "epochs have)",
    )
    patience: Count = Field(25, description="end a step after this many validations without a better score")
    monitor: Literal["miou", "f1", "last"] = Field(
        "miou",
        description="score that picks the best epoch: mean IoU or F1 of new classes by their labels and of old "
        "classes by what the previous model sees; last: always take the last epoch",
    )
    validate_every: Count = Field(1, description="validate after every this many epochs")
    accumulate: Count = Field(
        1, description="add up the gradients of this many iterations before the weights move, as in a larger batch"
    )
    clip: NotNegative = Field(0.0, description="limit the length of the gradient to this number; 0: no limit")
    save_minutes: Positive = Field(10.0, description="minutes after which the state of a step is saved amid an epoch")
    resume: bool = Field(
        False, description="continue an interrupted step where its state was saved; finished steps are kept"
    )
    sync_norms: bool = Field(
        False,
        description="batch norms take the statistics of all processes, on GPUs (In-Place ABN: --model.norm iabn_sync)",
    )
    compile: bool = Field(False, description="compile the network with torch.compile: slow to start, then faster")
    channels_last: bool = Field(
        True, description="store images with the channels last, which is faster on most machines"
    )


class OptimizerOptions(FrozenOptions):
    """The optimiser."""

    target: Literal["adamw", "adam", "sgd"] = Field("adamw", description="rule by which weights move")
    lr: Positive = Field(1e-3, description="learning rate")
    later_lr: Positive | None = Field(None, description="learning rate of steps after the first (default: the same)")
    momentum: Share = Field(
        0.9,
        description="how much of its past direction a move keeps (sgd: Nesterov momentum; adam, adamw: first beta)",
    )
    weight_decay: NotNegative = Field(1e-2, description="how strongly weights are pulled towards 0")


class SchedulerOptions(FrozenOptions):
    """The learning-rate schedule, over the iterations of one step."""

    target: Literal["constant", "cosine", "poly", "exp", "plateau"] = Field(
        "cosine", description="how the learning rate changes during a step"
    )
    power: Positive = Field(0.9, description="exponent of poly")
    gamma: Positive = Field(
        0.97, description="exp: factor after every epoch; plateau: factor whenever the score stops improving"
    )
    patience: Count = Field(5, description="plateau: validations without a better score before the rate falls")
    warmup: Share = Field(
        0.0, description="share of the iterations in which the rate rises from 0 before the schedule starts"
    )


class CEOptions(FrozenOptions):
    """The supervised loss. Methods that need its unbiased form (UFT, MiB) choose that form themselves."""

    name: Literal["ce", "focal", "tversky", "tanimoto"] = Field(
        "ce", description="loss of labelled pixels: cross entropy, focal, Tversky or Tanimoto"
    )
    alpha: NotNegative = Field(0.5, description="tversky: weight of pixels wrongly given to a class")
    beta: NotNegative = Field(0.5, description="tversky: weight of pixels of a class that were missed")
    gamma: NotNegative = Field(
        2.0, description="focal, tversky: how much more difficult pixels or classes count; tversky: 1 changes nothing"
    )


class KDOptions(FrozenOptions):
    """Knowledge distillation from the previous step; every method brings its own defaults."""

    decoder_factor: NotNegative = Field(
        0.0,
        description="how strongly the class scores stay as the previous model gave them "
        "(default of mib 1, lwf and ilt 100, lwf-mc 10; published for mib: 10)",
    )
    encoder_factor: NotNegative = Field(
        0.0,
        description="how strongly the encoder's features stay as the previous model gave them (default of ilt: 100)",
    )
    alpha: Positive = Field(
        1.0, description="factor on the previous model's scores; above 1: its answers count as more certain"
    )


class AugOptions(FrozenOptions):
    """Rotation contrastive distillation, around any method."""

    factor: NotNegative = Field(
        0.0,
        description="how strongly features turn with the image: those of the turned image should be the turned "
        "features of the image",
    )
    factor_icl: NotNegative = Field(
        0.0, description="the same, but compared with the turned features of the previous model"
    )
    flip: bool = Field(True, description="also mirror half of the turned images")
    fixed_angles: bool = Field(
        True,
        description="turn by 90, 180 or 270 degrees, so that no pixel is lost; --aug.no-fixed-angles: by any angle, "
        "and empty corners are ignored",
    )
    color: bool = Field(False, description="also change brightness and contrast of the turned image by up to 10 %")


class TrackingOptions(FrozenOptions):
    """Where runs are recorded besides journal.jsonl."""

    uri: str | None = Field(
        None, description="address of an MLflow store (default: a SQLite file in the output folder); none: no MLflow"
    )
    experiment: str | None = Field(None, description="name of the MLflow experiment (default: dataset/task)")
