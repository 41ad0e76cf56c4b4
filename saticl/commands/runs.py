"""Run folders: where a run lives, which of its steps are finished, and what it was trained with."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from saticl.config import TrainConfig
from saticl.engine.checkpoint import MODEL_FILE, StepInfo, read_info
from saticl.errors import InvalidCheckpoint, InvalidOptions
from saticl.files import write_json
from saticl.methods import find
from saticl.metrics.scores import Scores
from saticl.tasks import Task

CONFIG_FILE = "config.yaml"

CHANGEABLE = {
    "comment",
    "data_root",
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


@dataclass(frozen=True)
class Finished:
    """A trained step on disk."""

    folder: Path
    info: StepInfo

    @property
    def step(self) -> int:
        """Its number."""
        return self.info.step

    @property
    def model(self) -> Path:
        """Its checkpoint."""
        return self.folder / MODEL_FILE


@dataclass(frozen=True)
class Tested:
    """A finished step and what its predictions on one split count up to."""

    finished: Finished
    scores: Scores
    matrix: NDArray[np.int64]
    """Rows truth."""
    restricted: list[NDArray[np.int64]]
    """One matrix per group of classes among themselves; empty where none was asked for."""

    @property
    def step(self) -> int:
        """Its number."""
        return self.finished.step

    @property
    def task(self) -> Task:
        """Its task."""
        return self.finished.info.task


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
            "or delete the folder to train it anew."
        )
    before = trained_config(folder).dotted()
    for name, value in config.dotted().items():
        if name not in CHANGEABLE and before[name] != value:
            raise InvalidOptions(
                f"{folder} was started with {name} = {before[name]}, not {value}: "
                "resume with the same options, or give another --name."
            )
    return (folder / MODEL_FILE).is_file()


def trained_config(folder: Path) -> TrainConfig:
    """The options a step was trained with.

    Raises:
        InvalidCheckpoint: the file is missing or damaged.
    """
    path = folder / CONFIG_FILE
    try:
        return TrainConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InvalidCheckpoint(f"{path} is missing or damaged: it is written when a step starts.") from error


def find_steps(run: Path, wanted: int | str | None) -> list[Finished]:
    """The finished steps to score: the last, one, or all of a run's folder; or the step whose folder was named.

    Raises:
        InvalidCheckpoint: nothing finished there, or not the wanted step.
    """
    if (run / MODEL_FILE).is_file():
        return [Finished(run, read_info(run / MODEL_FILE))]
    found = {int(path.parent.name.removeprefix("step-")): path for path in run.glob(f"step-*/{MODEL_FILE}")}
    if not found:
        raise InvalidCheckpoint(
            f"{run} holds no finished step: train one first, or point --run to <output>/<dataset>/<task>/<name>."
        )
    if wanted is None:
        wanted = max(found)
    if wanted != "all" and wanted not in found:
        finished = ", ".join(map(str, sorted(found)))
        raise InvalidCheckpoint(f"{run} has no finished step {wanted}; finished: {finished}.")
    chosen = sorted(found) if wanted == "all" else [int(wanted)]
    return [Finished(found[step].parent, read_info(found[step])) for step in chosen]


def write_scores(folder: Path, split: str, scores: Scores, matrix: NDArray[np.int64]) -> None:
    """Put the scores of one split into scores.json and its matrix (rows truth) into confusion.json; others stay."""
    _update_json(folder / "scores.json", split, scores.to_dict())
    _update_json(folder / "confusion.json", split, {"names": scores.names, "matrix": matrix})


def _update_json(path: Path, key: str, value: object) -> None:
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_json(path, {**before, key: value})
