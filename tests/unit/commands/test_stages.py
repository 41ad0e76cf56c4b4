"""What each step of a command line is trained with."""

from pathlib import Path

import pytest

from saticl.commands.stages import stages
from saticl.config import TrainConfig
from saticl.options import OptimizerOptions, TaskOptions
from tests.prepared import write_prepared
from tests.trained import info, write_step


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    write_prepared(tmp_path / "tiles")
    return tmp_path / "tiles"


def rates(optimizer: OptimizerOptions, **changes: object) -> list[float]:
    config = TrainConfig.model_validate({"optimizer": optimizer, **changes})
    return [stage.config.optimizer.lr for stage in stages(config)]


def test_steps_after_the_first_have_the_later_learning_rate(tiles: Path) -> None:
    both, alone = OptimizerOptions(lr=0.1, later_lr=0.01), OptimizerOptions(lr=0.1)
    order = TaskOptions(name="222a", step="all")

    assert rates(both, data_root=tiles, task=order) == [0.1, 0.01, 0.01]
    assert rates(alone, data_root=tiles, task=order) == [0.1, 0.1, 0.1]
    assert rates(both, data_root=tiles, task=order.model_copy(update={"step": 0})) == [0.1]
    assert rates(both, data_root=tiles, task=order.model_copy(update={"step": 2})) == [0.01]


def test_a_step_that_extends_another_is_a_later_one(tiles: Path, tmp_path: Path) -> None:
    first = write_step(tmp_path / "town" / "21" / "run", info(0))

    words = {"data_root": tiles, "extend": first, "add": ("clutter",)}

    assert rates(OptimizerOptions(lr=0.1, later_lr=0.01), **words) == [0.01]
    assert rates(OptimizerOptions(lr=0.1), **words) == [0.1]


def test_the_options_of_a_step_give_the_same_step_again(tiles: Path) -> None:
    config = TrainConfig(
        data_root=tiles, task=TaskOptions(name="222a", step=1), optimizer=OptimizerOptions(lr=0.1, later_lr=0.01)
    )
    (stage,) = stages(config)

    assert [one.config for one in stages(stage.config)] == [stage.config]
