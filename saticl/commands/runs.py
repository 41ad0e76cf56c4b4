"""What the options say of a run: where it goes, whether a step of it may be trained, what it was trained with."""

import filecmp
from collections.abc import Collection
from pathlib import Path

from saticl.config import TrainConfig
from saticl.errors import InvalidCheckpoint, InvalidOptions
from saticl.methods import find
from saticl.runs.folder import MODEL_FILE, is_finished
from saticl.runs.trained import CONFIG_FILE, dotted, read_options
from saticl.tiles.manifest import MANIFEST

CHANGEABLE = {
    "comment",
    "output_folder",
    "trainer.resume",
    "trainer.num_workers",
    "trainer.max_epochs",
    "trainer.max_iterations",
    "trainer.patience",
    "trainer.compile",
    "optimizer.later_lr",
    "tracking.uri",
    "tracking.experiment",
}
"""Options that may differ between the two halves of an interrupted step. `optimizer.lr` says the rate of the step."""


MOVABLE = {"data_root": MANIFEST, "extend": MODEL_FILE, "task.step_checkpoint": MODEL_FILE}
"""Folders that may lie elsewhere by now, with the file by which they are recognised."""


def run_folder(config: TrainConfig, dataset: str) -> Path:
    """<output>/<dataset>/<task>/<name>, shared by all steps of a run."""
    name = config.name or find(config.method).name + ("-cd" if config.rotates else "")
    return config.output_folder / dataset / config.task.name / name


def already_finished(folder: Path, config: TrainConfig) -> bool:
    """Whether the step in `folder` needs no training; refuses what would overwrite or mix results.

    Raises:
        InvalidOptions: the folder holds a step, finished or not, that these options would replace.
    """
    if not (folder / CONFIG_FILE).is_file():
        return False
    if not config.trainer.resume:
        raise InvalidOptions(
            f"{folder} already holds this step: add --trainer.resume to continue or keep it, give another --name, "
            "or delete the folder to train it again."
        )
    difference = other_options(folder, config, CHANGEABLE)
    if difference is not None:
        raise InvalidOptions(
            f"{folder} was started with {difference}: resume with the same options, or give another --name."
        )
    return is_finished(folder)


def other_options(folder: Path, config: TrainConfig, may_differ: Collection[str]) -> str | None:
    """The first option of the step in `folder` that is not as in `config`: "seed = 1, not 2"; None: there is none."""
    before = dotted(trained_config(folder).model_dump())
    for name, value in dotted(config.model_dump()).items():
        if name in may_differ or before[name] == value:
            continue
        if name not in MOVABLE or not is_same_folder(before[name], value, MOVABLE[name]):
            return f"{name} = {before[name]}, not {value}"
    return None


def is_same_folder(before: object, now: object, known_by: str) -> bool:
    """Whether two folders hold the same: the first is gone, or the file they are known by has the same content."""
    if before is None or now is None:
        return False
    old, new = Path(str(before)) / known_by, Path(str(now)) / known_by
    return not old.is_file() or (new.is_file() and filecmp.cmp(old, new, shallow=False))


def trained_config(folder: Path) -> TrainConfig:
    """The options a step was trained with, as this version knows them.

    Raises:
        InvalidRecord: the file is missing or damaged. InvalidCheckpoint: it has options of another version.
    """
    try:
        return TrainConfig.model_validate(read_options(folder))
    except ValueError as error:
        raise InvalidCheckpoint(
            f"{folder / CONFIG_FILE} has options that this version does not know: train that step again."
        ) from error
