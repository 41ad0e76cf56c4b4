"""Finished steps are found, and options are plain trees."""

from pathlib import Path

import pytest

from saticl.errors import InvalidCheckpoint, InvalidRecord
from saticl.runs.folder import find_steps, is_finished, step_folder
from saticl.runs.trained import dotted, read_options
from tests.trained import info, write_run, write_step


def test_steps_are_found_in_order_of_their_numbers(tmp_path: Path) -> None:
    groups = [[name] for name in "abcdefghijkl"]
    for step in (10, 2, 0):
        write_step(tmp_path, info(step, classes=list("abcdefghijkl"), colours=[[0, 0, 0]] * 12, groups=groups))
    step_folder(tmp_path, 11).mkdir()
    (tmp_path / "step-old").mkdir()
    (tmp_path / "step-old" / "model.safetensors").touch()

    assert [one.step for one in find_steps(tmp_path, "all")] == [0, 2, 10]
    assert [one.step for one in find_steps(tmp_path, None)] == [10]
    assert [one.step for one in find_steps(tmp_path, 2)] == [2]
    assert [one.step for one in find_steps(step_folder(tmp_path, 2), "all")] == [2]
    assert not is_finished(step_folder(tmp_path, 11))


def test_the_step_before_is_where_its_options_say_or_beside_it(tmp_path: Path) -> None:
    groups = [["building"], ["road"], ["car"]]
    for step in (0, 1, 2):
        write_step(tmp_path / "run", info(step, groups=groups))
    write_step(tmp_path / "other", info(0, groups=groups))
    write_step(tmp_path / "next", info(1, groups=groups), extend=str(step_folder(tmp_path / "other", 0)))
    write_step(tmp_path / "gone", info(2, groups=groups), task={"step_checkpoint": str(tmp_path / "nowhere")})

    def folders(run: str) -> list[Path]:
        return [step.folder for step in find_steps(tmp_path / run, "all")]

    assert folders("run") == [step_folder(tmp_path / "run", step) for step in (0, 1, 2)]
    assert folders("next") == [step_folder(tmp_path / "other", 0), step_folder(tmp_path / "next", 1)]
    assert folders("gone") == [step_folder(tmp_path / "gone", 2)]
    assert find_steps(tmp_path / "next", None)[0].folder == step_folder(tmp_path / "next", 1)
    assert find_steps(tmp_path / "run", 0)[0].previous is None


def test_a_step_that_is_not_finished_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(InvalidCheckpoint, match="holds no finished step: train one first"):
        find_steps(tmp_path / "nowhere", "all")
    write_run(tmp_path)
    with pytest.raises(InvalidCheckpoint, match="no finished step 7; finished: 0, 1"):
        find_steps(tmp_path, 7)


def test_options_are_read_as_a_plain_tree(tmp_path: Path) -> None:
    folder = write_step(tmp_path, info(), optimizer={"lr": 0.5}, of_another_version={"a": {"b": [1]}})

    options = dotted(read_options(folder))

    assert options["optimizer.lr"] == 0.5
    assert options["of_another_version.a.b"] == [1]


@pytest.mark.parametrize("content", [None, "[1, 2]", "a: {", "a: 2026-01-01", b"\xff\xfe\x00"])
def test_options_that_cannot_be_read_are_one_sentence(content: str | bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    with pytest.raises(InvalidRecord, match=r"config.yaml is missing or damaged: .* train that step again"):
        read_options(tmp_path)
