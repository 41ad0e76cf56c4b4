"""Steps that are places: trained, scored and refused through the command line; and what labels count as."""

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from saticl import cli
from saticl.commands.plan import make_plans
from saticl.commands.stages import stages
from saticl.config import TrainConfig
from saticl.options import FilterMode, TaskOptions
from saticl.runs.step import read_info
from saticl.tiles.index import read_index
from tests.prepared import write_prepared

SMALL = [
    *(
        "--model.encoder=test_resnet",
        "--trainer.batch-size=4",
        "--trainer.num-workers=0",
        "--trainer.max-iterations=2",
    ),
    *("--tracking.uri=none", "--val-size=0.3"),
]
ORDERS = """
moving:
  steps: [[car, tree, building], [], [clutter]]
  places: [[a], [b, c], [a, b]]
  aliases: [going]
away: {steps: [[car], []], places: [[a], [d]]}
sharing: {steps: [[car, tree, building], [], []], places: [[a], [b, c], [a, b, c]]}
plain: {steps: [[car], [tree]], aliases: [simple]}
"""


def invoke(*words: object) -> tuple[int, str]:
    """Exit code and everything printed of a command line."""
    result = CliRunner().invoke(cli.app, [str(word) for word in words], env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout + result.stderr


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small tiles, so that the only scene of a place can be divided."""
    root = tmp_path_factory.mktemp("small_tiles")
    write_prepared(root, size=48)
    return root


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("orders") / "orders.yaml"
    file.write_text(ORDERS, encoding="utf-8")
    return file


def test_a_run_over_places_keeps_its_head_and_is_scored_after_every_step(
    tiles: Path, orders: Path, tmp_path: Path
) -> None:
    words = ["--data-root", tiles, "--task.protocols", orders, "--output-folder", tmp_path, *SMALL]

    code, text = invoke("train", *words, "--task.name=going", "--task.step=all", "--method=plop", "--void=background")

    assert code == 0, text
    text = " ".join(text.split())
    run = tmp_path / "potsdam" / "moving" / "plop"  # the name, not the alias
    infos = [read_info(run / f"step-{step}" / "model.safetensors") for step in range(3)]
    assert [info.task.head_sizes for info in infos] == [(4,), (4, 0), (4, 0, 1)]
    assert infos[1].places == (("a",), ("b", "c"), ("a", "b"))
    assert "places b, c" in text
    assert "old classes are background, later ones background, unlabelled pixels background, void background" in text
    assert text.count("old classes keep their labels, later ones background") == 1  # step 1 brings places only
    assert "labels: unseen classes are background, unlabelled pixels background, void ignored; all images" in text

    code, text = invoke(
        *("test", "--run", run, "--task.step=all", "--num-workers=0", "--panels=0", "--restricted"),
        *("--task.unseen=ignore", "--task.images=seen"),
    )

    assert code == 0, text
    text = " ".join(text.split())
    assert (
        "unseen classes are ignored, unlabelled pixels background, void ignored; images with a class learned" in text
    )
    record = json.loads((run / "steps-test.json").read_text())
    assert (record["unseen"], record["unlabelled"], record["images"]) == ("ignore", "background", "seen")
    assert record["groups"] == ["0: car, tree, building", "1: b, c", "2: clutter", "all"]
    assert record["miou"][1] == [None, None, None]
    assert all(isinstance(value, float) for value in record["miou"][0])
    scores = json.loads((run / "step-1" / "scores.json").read_text())["test"]
    assert (scores["unlabelled"], scores["images"]) == ("background", "seen")


def test_places_without_training_tiles_are_refused_unless_splits_are_merged(
    tiles: Path, orders: Path, tmp_path: Path
) -> None:
    words = ["--data-root", tiles, "--task.protocols", orders, "--output-folder", tmp_path, *SMALL, "--method=ft"]

    code, text = invoke("train", *words, "--task.name=away", "--task.step=all")
    assert (code, "lies in d, the places of step 1 of the task 'away'" in " ".join(text.split())) == (2, True)
    assert not [*tmp_path.iterdir()]

    code, text = invoke("train", *words, "--task.name=away", "--task.step=all", "--task.splits=merged")
    assert code == 0, text
    run = tmp_path / "potsdam" / "away" / "ft"
    code, text = invoke("test", "--run", run, "--num-workers=0", "--panels=0")
    assert (code, "were trained on (--task.splits merged)" in " ".join(text.split())) == (2, True)
    code, text = invoke("test", "--run", run, "--num-workers=0", "--panels=0", "--split=val")
    assert code == 0, text
    (on,) = json.loads((run / "step-1" / "scores.json").read_text())["val"]["data"]
    assert on == str(tiles)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--task.name=plain", "--task.splits=merged"], "tasks that name places; plain does not"),
        (
            ["--task.name=simple", "--task.filter-mode=sequential", "--labels-of-old=ignore"],
            "sequential shows labels of old classes: leave out --labels-of-old ignore",
        ),
        (["--task.name=goin"], "Did you mean 'going'"),
    ],
)
def test_contradictions_are_refused_in_a_sentence(
    tiles: Path, orders: Path, tmp_path: Path, words: list[str], sentence: str
) -> None:
    code, text = invoke(
        "train", "--data-root", tiles, "--task.protocols", orders, "--output-folder", tmp_path, *SMALL, *words
    )

    assert (code, sentence in " ".join(text.split())) == (2, True), text
    assert "Traceback" not in text
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("mode", ["split", "balanced"])
def test_tiles_of_a_place_that_several_steps_share_are_dealt_to_one_of_them(
    tiles: Path, orders: Path, mode: FilterMode
) -> None:
    options = TaskOptions(name="sharing", step="all", filter_mode=mode, protocols=orders)
    plans = make_plans(stages(TrainConfig(data_root=tiles, task=options, val_size=0.3)))

    dealt = Counter(tile.id for plan in plans for tile in plan.training)
    assert len(plans) == 3
    assert set(dealt.values()) == {1}


def test_the_tiles_have_the_groups_that_the_orders_name(tiles: Path) -> None:
    assert {tile.group for tile in read_index(tiles)} == {"a", "b", "c", "d"}
