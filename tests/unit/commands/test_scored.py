"""Which tiles a run is scored on: the same for all its steps, and nothing is left out without a word."""

from dataclasses import replace
from pathlib import Path

import pytest

from saticl.commands.scored import require_scorable, scored_folders, warn_of_unlabelled
from saticl.config import TestConfig as Options
from saticl.errors import InvalidOptions
from saticl.options import ModelOptions
from saticl.runs.folder import Finished, find_steps
from saticl.tiles.index import read_index, write_index
from tests.prepared import write_prepared, write_relabelled
from tests.trained import info, write_step

FACTS = {
    "classes": ("building", "tree", "car"),
    "groups": (("building", "tree"), ("car",)),
    "protocol_name": "offline",
}


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of two years with other classes."""
    root = tmp_path_factory.mktemp("years")
    write_prepared(root / "all")
    write_relabelled(root / "all", root / "first", ["building", "tree"])
    write_relabelled(root / "all", root / "second", ["car"])
    return root


@pytest.fixture
def run(tmp_path: Path, years: Path) -> Path:
    """A run of two steps, each from a folder of its own, with other seeds and other ideas of unlabelled pixels."""
    facts = {**FACTS, "model": ModelOptions(encoder="test_resnet")}
    write_step(tmp_path / "run", info(0, **facts), data_root=str(years / "first"), seed=1, val_size=0.3)
    write_step(
        tmp_path / "run", info(1, **facts), data_root=str(years / "second"), seed=5, val_size=0.6, unlabelled="ignore"
    )
    return tmp_path / "run"


def last(run: Path) -> Finished:
    return find_steps(run, None)[0]


def test_each_folder_is_divided_as_the_step_was_that_was_trained_on_it(run: Path, years: Path) -> None:
    first, second = find_steps(run, "all")

    found = scored_folders(Options(run=run, split="val"), second, warn=False)
    alone = scored_folders(Options(run=run, split="val"), first, warn=False)

    assert [on.root for on in found] == [years / "first", years / "second"]
    assert [tile.id for tile in found[0].tiles] == [tile.id for tile in alone[0].tiles]
    assert {tile.scene for tile in found[0].tiles} != {tile.scene for tile in found[1].tiles}


def test_pixels_where_nothing_was_drawn_are_what_they_were_in_training_unless_told_otherwise(run: Path) -> None:
    taken = [on.unlabelled for on in scored_folders(Options(run=run), last(run), warn=False)]
    told = [on.unlabelled for on in scored_folders(Options(run=run, unlabelled="ignore"), last(run), warn=False)]

    assert taken == ["background", "ignore"]
    assert told == ["ignore", "ignore"]


def test_a_folder_that_no_step_was_trained_on_is_divided_like_that_of_the_last(run: Path, years: Path) -> None:
    named = Options(run=run, split="val", data_root=(years / "all",))
    of_last = Options(run=run, split="val", data_root=(years / "second",))

    (on,), (other,) = (scored_folders(config, last(run), warn=False) for config in (named, of_last))

    assert [tile.id for tile in on.tiles] == [tile.id for tile in other.tiles]
    assert on.unlabelled == "ignore"


def test_a_folder_without_tiles_of_the_split_is_said_and_left_out(
    run: Path, years: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_relabelled(years / "all", tmp_path / "third", ["car"])
    write_index(tmp_path / "third", [replace(tile, split="train") for tile in read_index(tmp_path / "third")])
    config = Options(run=run, data_root=(years / "first", tmp_path / "third"))

    found = scored_folders(config, last(run), warn=True)
    warn_of_unlabelled(last(run), found)

    assert [on.root for on in found] == [years / "first"]
    said = " ".join(capsys.readouterr().out.split())
    assert f"there are no test tiles in {tmp_path / 'third'}: not scored on it." in said
    assert f"{years / 'first'} has no labels of car: not scored." in said
    with pytest.raises(InvalidOptions, match="There are no test tiles in"):
        scored_folders(Options(run=run, data_root=(tmp_path / "third",)), last(run), warn=True)


def test_a_step_of_which_nothing_is_labelled_is_refused_alone_and_unknown_among_others(run: Path, years: Path) -> None:
    first, second = find_steps(run, "all")
    folders = scored_folders(Options(run=run, data_root=(years / "second",)), second, warn=False)

    require_scorable(first, folders, is_one_of_many=True)
    require_scorable(second, folders, is_one_of_many=False)
    with pytest.raises(InvalidOptions, match=r"are of car, but .*step-0 has learned building, tree: choose"):
        require_scorable(first, folders, is_one_of_many=False)


def test_folders_that_label_everything_are_not_warned_of(
    run: Path, years: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_of_unlabelled(last(run), scored_folders(Options(run=run), last(run), warn=True))

    assert capsys.readouterr().out == ""
