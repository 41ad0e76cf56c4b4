"""What the options say of a run: where it goes, whether a step of it may be trained, what it was trained with."""

from pathlib import Path

from saticl.config import TrainConfig
from saticl.errors import InvalidCheckpoint, InvalidOptions
from saticl.methods import find
from saticl.runs.folder import is_finished
from saticl.runs.trained import CONFIG_FILE, dotted, read_options

CHANGEABLE = {
    "comment",
    "data_root",
    "extend",
    "output_folder",
    "task.step_checkpoint",
    "trainer.resume",
    "trainer.num_workers",
    "trainer.max_epochs",
    "trainer.max_iterations",
    "trainer.patience",
    "trainer.compile",
    "tracking.uri",
    "tracking.experiment",
}
"""Options that may differ between the two halves of an interrupted step."""


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
    before = dotted(trained_config(folder).model_dump())
    for name, value in dotted(config.model_dump()).items():
        if name not in CHANGEABLE and before[name] != value:
            raise InvalidOptions(
                f"{folder} was started with {name} = {before[name]}, not {value}: "
                "resume with the same options, or give another --name."
            )
    return is_finished(folder)


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
