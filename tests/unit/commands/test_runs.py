"""Which folder a run has, and what may continue there."""

import shutil
from pathlib import Path

import pytest

from saticl.commands.runs import already_finished
from saticl.config import TrainConfig
from saticl.errors import InvalidOptions
from saticl.options import OptimizerOptions, TaskOptions, TrainerOptions
from saticl.runs.folder import MODEL_FILE
from saticl.runs.trained import CONFIG_FILE
from saticl.tiles.manifest import MANIFEST


def options(**changes: object) -> TrainConfig:
    return TrainConfig.model_validate({"trainer": TrainerOptions(resume=True), **changes})


def begun(folder: Path, config: TrainConfig) -> Path:
    folder.mkdir(parents=True)
    (folder / CONFIG_FILE).write_text(config.to_yaml())
    return folder


@pytest.mark.parametrize(("name", "file"), [("data_root", MANIFEST), ("extend", MODEL_FILE)])
def test_a_folder_that_was_moved_or_copied_is_the_same_and_another_is_not(
    name: str, file: str, tmp_path: Path
) -> None:
    for folder, content in (("one", "a"), ("other", "b")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text(content)
    copied = shutil.copytree(tmp_path / "one", tmp_path / "copied")
    step = begun(tmp_path / "run", options(**{name: tmp_path / "one"}))

    for same in (tmp_path / "one", copied):
        assert not already_finished(step, options(**{name: same}))
    for wrong in (tmp_path / "other", None):
        with pytest.raises(InvalidOptions, match=f"was started with {name} = .*one, not"):
            already_finished(step, options(**{name: wrong}))
    shutil.rmtree(tmp_path / "one")
    assert not already_finished(step, options(**{name: copied}))


def test_another_previous_step_is_refused(tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / MODEL_FILE).write_text(folder)
    step = begun(tmp_path / "run", options(task=TaskOptions(step=1, step_checkpoint=tmp_path / "a")))

    with pytest.raises(InvalidOptions, match=r"started with task\.step_checkpoint = "):
        already_finished(step, options(task=TaskOptions(step=1, step_checkpoint=tmp_path / "b")))


def test_a_step_may_go_on_whatever_the_rate_of_other_steps_and_not_with_another_rate_of_its_own(
    tmp_path: Path,
) -> None:
    step = begun(tmp_path / "run", options(optimizer=OptimizerOptions(lr=0.01, later_lr=0.001)))

    assert not already_finished(step, options(optimizer=OptimizerOptions(lr=0.01)))
    with pytest.raises(InvalidOptions, match=r"started with optimizer\.lr = 0\.01, not 0\.02"):
        already_finished(step, options(optimizer=OptimizerOptions(lr=0.02, later_lr=0.001)))


@pytest.mark.parametrize("name", ["../up", "a/b", "a\\b", ".hidden", ""])
def test_the_name_of_a_run_is_that_of_one_folder(name: str) -> None:
    with pytest.raises(ValueError, match="write it without slashes and without a dot in front"):
        TrainConfig(name=name)
