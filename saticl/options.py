"""All option groups: one frozen pydantic class per section of the command line and of YAML files.

This module imports neither torch nor anything else that is slow: `--help` is generated from it.
Every field is read somewhere; its description is its help text.
"""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class FrozenOptions(BaseModel):
    """Options never change after validation, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_yaml(self) -> str:
        """The whole tree as YAML, paths as plain text: itself a valid --config file."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    def dotted(self) -> dict[str, object]:
        """The leaves by their names on the command line: {"trainer.batch_size": 8}."""
        flat: dict[str, object] = {}
        for name, value in self:
            if isinstance(value, FrozenOptions):
                flat |= {f"{name}.{inner}": leaf for inner, leaf in value.dotted().items()}
            else:
                flat[name] = value
        return flat


class TaskOptions(FrozenOptions):
    """Which classes are learned, and when."""

    name: str = Field("offline", description="protocol of the dataset, see `list tasks`; offline learns all at once")
    step: Annotated[int, Field(ge=0)] | Literal["all"] = Field(
        0, description="step to train, from 0; all runs each in turn"
    )
    filter_mode: Literal["overlap", "disjoint", "noov", "split"] = Field(
        "overlap",
        description="tiles of a step: overlap holds a new class; disjoint (noov) also no future one; "
        "split deals every tile to one class",
    )
    step_checkpoint: Path | None = Field(None, description="folder of the previous step (default: beside this one)")
    protocols: Path | None = Field(None, description="YAML file with protocols of your own for this dataset")


class ModelOptions(FrozenOptions):
    """The network."""

    encoder: str = Field("resnet34", description="any timm encoder that gives feature maps, see `list encoders`")
    decoder: Literal["unet"] = Field("unet", description="decoder")
    pretrained: bool = Field(
        False, description="start from timm's pretrained weights (needs the model hub or its cache)"
    )
    weights: Path | None = Field(
        None, description="local file of encoder weights (.safetensors, .pth), read without unpickling"
    )
    freeze: bool = Field(False, description="do not train the encoder after step 0")
    output_stride: Literal[8, 16, 32] = Field(
        32, description="stride of the deepest map, where the encoder can dilate"
    )
    act: Literal["ident", "relu", "leaky_relu", "elu"] = Field(
        "ident", description="activation after each norm of the decoder; ident: the norm's own leaky ReLU"
    )
    norm: Literal["std", "abn", "iabn", "iabn_sync"] = Field(
        "std",
        description="std: batch norm; iabn, iabn_sync: In-Place ABN (scripts/install_iabn.sh); abn: the same in torch",
    )
    dropout: Share = Field(0.1, description="dropout before the classifier")
    dropout2d: bool = Field(False, description="drop whole channels instead of single values")
    init_balanced: bool = Field(False, description="new classes start from the background's classifier (MiB)")


class TrainerOptions(FrozenOptions):
    """The training loop."""

    amp: bool = Field(
        False, description="mixed precision: bf16, or fp16 with In-Place ABN; float32 where neither works"
    )
    precision: Literal["auto", "float32", "bf16", "fp16"] = Field(
        "auto", description="exact precision instead of --trainer.amp"
    )
    batch_size: Count = Field(8, description="tiles per process and iteration")
    num_workers: Annotated[int, Field(ge=0)] = Field(2, description="loader processes per training process")
    max_epochs: Count = Field(100, description="epochs at most")
    max_iterations: Count | None = Field(
        None, description="stop a step after this many iterations (default: epochs only)"
    )
    patience: Count = Field(25, description="validations without improvement before a step ends")
    monitor: Literal["miou", "f1", "last"] = Field(
        "miou",
        description="picks the best epoch, by true new labels and the previous model's old ones; last: takes the last",
    )
    validate_every: Count = Field(1, description="epochs between validations")
    accumulate: Count = Field(1, description="iterations whose gradients are summed before an optimiser step")
    clip: NotNegative = Field(0.0, description="largest gradient norm; 0: no clipping")
    resume: bool = Field(False, description="continue an interrupted step from its last epoch")
    compile: bool = Field(False, description="torch.compile the network")
    channels_last: bool = Field(True, description="channels-last memory format")


class OptimizerOptions(FrozenOptions):
    """The optimiser."""

    target: Literal["adamw", "adam", "sgd"] = Field("adamw", description="optimiser")
    lr: Positive = Field(1e-3, description="learning rate")
    momentum: Share = Field(0.9, description="momentum (sgd, with Nesterov) or first beta (adam, adamw)")
    weight_decay: NotNegative = Field(1e-2, description="weight decay")


class SchedulerOptions(FrozenOptions):
    """The learning-rate schedule, over the iterations of one step."""

    target: Literal["constant", "cosine", "poly", "exp", "plateau"] = Field("cosine", description="schedule")
    power: Positive = Field(0.9, description="power of poly")
    gamma: Positive = Field(0.97, description="factor per epoch of exp, and per stall of plateau")
    patience: Count = Field(5, description="validations without improvement before plateau lowers the rate")
    warmup: Share = Field(0.0, description="share of the iterations in which the rate rises linearly")


class CEOptions(FrozenOptions):
    """The supervised loss. Methods that need its unbiased form (UFT, MiB) take it by themselves."""

    name: Literal["ce", "focal", "tversky", "tanimoto"] = Field("ce", description="supervised loss")
    alpha: NotNegative = Field(0.5, description="weight of false positives (tversky)")
    beta: NotNegative = Field(0.5, description="weight of false negatives (tversky)")
    gamma: NotNegative = Field(2.0, description="focusing exponent (focal, tversky: 1 is none)")


class KDOptions(FrozenOptions):
    """Knowledge distillation from the previous step; every method brings its own defaults."""

    decoder_factor: NotNegative = Field(
        0.0,
        description="weight of the distillation of logits (mib 1, published 10; lwf 100, ilt 100, lwf-mc 10)",
    )
    encoder_factor: NotNegative = Field(0.0, description="weight of the distillation of encoder features (ilt 100)")
    alpha: Positive = Field(1.0, description="factor on the teacher's logits: above 1 hardens its labels")


class AugOptions(FrozenOptions):
    """Rotation contrastive distillation, around any method."""

    factor: NotNegative = Field(0.0, description="weight: features of the turned image = turned features")
    factor_icl: NotNegative = Field(
        0.0, description="weight: features of the turned image = turned features of the previous model"
    )
    flip: bool = Field(True, description="mirror half of the time: eight symmetries instead of four")
    fixed_angles: bool = Field(
        True, description="exact quarter turns; --aug.no-fixed-angles: any angle, corners ignored"
    )
    color: bool = Field(False, description="also vary brightness and contrast of the turned image by 10 %")


class TrackingOptions(FrozenOptions):
    """Where runs are recorded besides journal.jsonl."""

    uri: str | None = Field(
        None, description="MLflow address (default: a SQLite file in the output folder); none: off"
    )
    experiment: str | None = Field(None, description="MLflow experiment (default: dataset/task)")
