"""What `compare` can be told, and what it compares."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue

from saticl.config.train import TrainConfig
from saticl.options import Count, FolderName, FrozenOptions


def _between_commas(given: object) -> object:
    """["1,2", 3] -> ["1", "2", 3]: none of these names and numbers holds a comma."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        return given
    parts = [part for one in given for part in (one.split(",") if isinstance(one, str) else [one])]
    return tuple(part.strip() if isinstance(part, str) else part for part in parts if part != "")


Names = Annotated[tuple[str, ...], BeforeValidator(_between_commas)]
Numbers = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_between_commas)]

Options = dict[str, JsonValue]
"""Options of `train` by name, in sections or with dots."""


class CompareConfig(FrozenOptions):
    """Train and score methods with several seeds and learning orders, and put them into one table.

    What follows `--` goes to every `train`. A file for --config may also hold `variants`: names, and for each the
    options of `train` by which it differs.
    """

    hands_on: ClassVar[bool] = True

    data_root: Path | None = Field(None, description="folder that `prepare` wrote; see `train`")
    dst: Path = Field(description="folder for runs, logs and tables")
    task: Annotated[Names, Field(min_length=1)] = Field(
        description="learning order, see `list tasks`; several stand between commas"
    )
    method: Names = Field(
        (), description="learning method, see `list methods`; mib+cd is mib with rotation distillation (factors 0.1)"
    )
    variants: dict[FolderName, Options] = Field(
        {}, description="options of `train` by the name of a variant; `config` names files to start from"
    )
    train: Options = Field({}, description="options of `train` for all runs")
    seeds: Numbers = Field((1337,), description="seed; every method is trained with each: 1,2,3")
    baseline: str | None = Field(
        None, description="method or variant that the others are compared with (default: the first)"
    )
    share_base: bool = Field(
        False,
        description="train step 0 once per seed and task, with the first method; all others continue from there, "
        "but those that need what only their own step 0 leaves (ewc, pi, rw, reminder, sdr)",
    )
    split: Literal["test", "val"] = Field("test", description="tiles to score")
    unseen: Literal["background", "ignore"] = Field(
        "background", description="what pixels of classes that are not learned yet count as, see `test`"
    )
    joint: Path | None = Field(
        None, description="a run that learned all classes in one step (task `offline`), to compare with"
    )
    jobs: Count | None = Field(
        None, description="runs that are trained at the same time on this machine (default: one per GPU, else 1)"
    )
    gpus: Numbers = Field(
        (), description="GPUs to use, by number; a run is given one of them (default: all that can be seen)"
    )
    cluster: str | None = Field(
        None, description="address of a Dask scheduler (tcp://host:8786) whose workers train the runs, one run each"
    )
    shard: str | None = Field(
        None,
        description="train only one part of the runs, as one of several jobs on a cluster; written i/n, for example "
        "2/8 for the second of eight parts",
    )


@dataclass(frozen=True)
class Variant:
    """One row of the table: a name, and how `train` is told."""

    name: str
    options: TrainConfig
    """Those of every run, with name, seed and task still to be filled in."""
