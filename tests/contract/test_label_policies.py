"""The table of docs/data.md gives the labels of published code: held against a list of what each code shows."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from saticl import config
from saticl.labels import IGNORE, UNLABELLED
from saticl.tasks import Protocol, Table, Task
from tests import strategies  # noqa: F401 - how long properties are tried

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in PAGE.split("| code | phase | options |")[1].split("\n\n")[0].splitlines()[2:]
]

INDEX, BACK, NONE = "index", 0, 255
"""What a pixel is shown as: the output index of its class, background, or nothing."""

SUCCESSORS = "PLOP, LGKD, RCIL, REMINDER, EWF, cssegmentation"
SHOWN = {
    # (code, phase): new, old, future, nobody has drawn a class (raw 0 of ADE20K), void; and which images are scored
    ("MiB", "train"): (INDEX, BACK, BACK, BACK, BACK, ""),
    ("MiB", "test, VOC"): (INDEX, INDEX, NONE, BACK, NONE, "seen"),
    ("MiB", "test, ADE20K"): (INDEX, INDEX, NONE, NONE, NONE, "seen"),
    ("MiBv2", "train"): (INDEX, BACK, BACK, BACK, BACK, ""),
    ("MiBv2", "test, VOC"): (INDEX, INDEX, NONE, BACK, NONE, "all"),
    ("MiBv2", "test, ADE20K"): (INDEX, INDEX, NONE, NONE, NONE, "all"),
    (SUCCESSORS, "train"): (INDEX, BACK, BACK, BACK, NONE, ""),
    (SUCCESSORS, "test"): (INDEX, INDEX, BACK, BACK, NONE, "seen"),
    ("PLOP, old classes shown", "train"): (INDEX, INDEX, BACK, BACK, NONE, ""),
    ("PLOP, background not tested", "test, ADE20K"): (INDEX, INDEX, NONE, NONE, NONE, "seen"),
    ("SSUL, MicroSeg", "train"): (INDEX, BACK, BACK, BACK, NONE, ""),
    ("SSUL, MicroSeg", "test"): (INDEX, INDEX, BACK, BACK, NONE, "all"),
    ("DKD, STAR", "train"): (INDEX, BACK, BACK, BACK, NONE, ""),
    ("DKD", "test, VOC"): (INDEX, INDEX, BACK, BACK, NONE, "all"),
    ("DKD", "test, ADE20K"): (INDEX, INDEX, NONE, NONE, NONE, "all"),
    ("CIL", "train"): (INDEX, NONE, NONE, NONE, NONE, ""),
    ("MiB-CD", "train"): (INDEX, BACK, BACK, BACK, BACK, ""),
    ("MiB-CD", "test"): (INDEX, INDEX, BACK, BACK, NONE, "all"),
}


def tables(words: str, is_training: bool, task: Task) -> tuple[Table, str]:
    """The table that these options make, and which images are scored."""
    options = dict(re.findall(r"--([a-z.-]+) ([a-z]+)", words))
    values: dict[str, object] = {name.replace("-", "_"): value for name, value in options.items()}
    if is_training:
        train = config.TrainConfig.model_validate(values)
        return task.train_table(train.labels_of_old or "ignore", train.unlabelled, train.hidden, train.void), ""
    own = {name: values.pop(f"task.{name}") for name in ("unseen", "images") if f"task.{name}" in values}
    test = config.TestConfig.model_validate({"run": Path("run"), "task": own, **values})
    return task.eval_table(test.task.unseen, test.unlabelled or config.TrainConfig().unlabelled), test.task.images


def test_the_page_lists_every_code_once() -> None:
    assert [(row[0], row[1]) for row in ROWS] == list(SHOWN)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}, {row[1]}")
@given(data=st.data())
def test_the_options_show_what_the_code_shows(row: tuple[str, str, str], data: st.DataObject) -> None:
    """For any order of any number of classes, and any step."""
    *shown, images = SHOWN[row[0], row[1]]
    names = [f"class{number}" for number in range(data.draw(st.integers(3, 12)))]
    order = data.draw(st.permutations(names))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order) - 1), min_size=2, max_size=4)))
    groups = tuple(tuple(order[a:b]) for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True))
    classes = ("background", *names)
    task = Task(classes, Protocol("drawn", groups, "background"), data.draw(st.integers(0, len(groups) - 1)))

    table, scored = tables(row[2], row[1] == "train", task)

    for names_of, wanted in zip((task.new, task.old, task.future), shown, strict=False):
        for name in names_of:
            assert table[classes.index(name)] == (task.names.index(name) if wanted == INDEX else wanted)
    assert table[0] == BACK  # raw 0 of VOC is a class
    assert (table[UNLABELLED], table[IGNORE]) == (shown[3], shown[4])
    assert (table[len(classes) : UNLABELLED] == NONE).all()
    assert scored == images
    if row[1] == "train" and row[0] != "PLOP, old classes shown":
        new = {task.names.index(name) for name in task.new}
        assert set(np.unique(table).tolist()) <= {BACK, NONE, *new}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}, {row[1]}")
def test_the_options_are_flags_of_the_command(row: tuple[str, str, str]) -> None:
    from saticl.cli import app

    words = [word for option in re.findall(r"--[a-z.-]+ [a-z]+", row[2]) for word in option.split()]
    command = ["train", "--data-root", "x"] if row[1] == "train" else ["test", "--run", "x"]
    result = CliRunner().invoke(app, [*command, *words, "--print-config"])

    assert result.exit_code == 0, result.output
