"""Options that hold any number of values: repeated flags, lists in files, commas in the environment."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from saticl.errors import InvalidOptions
from saticl.flags.bridge import SETTINGS, command
from saticl.flags.leaves import tree
from saticl.flags.resolve import Setting, from_environment, from_file, resolve
from saticl.options import FrozenOptions


class Places(FrozenOptions):
    """A tree with lists of every kind."""

    folders: tuple[Path, ...] = Field(description="where to look")
    add: tuple[str, ...] = Field((), description="what to add")
    sides: tuple[Annotated[int, Field(ge=1)] | Literal["all"], ...] = Field((16, 32), description="sides")
    norms: tuple[Literal["std", "iabn_sync"], ...] = Field((), description="kinds of normalisation")
    amp: bool = Field(False, description="a switch among them")


REPOSITORY = Path(__file__).resolve().parents[3]
ONE_FOLDER = [Setting(("folders",), ("f",), "")]


def app_of(seen: list[Setting]) -> typer.Typer:
    def run(settings: Sequence[Setting], print_config: bool) -> None:
        seen.extend(settings)

    app = typer.Typer()
    app.command(context_settings=SETTINGS)(command(Places, run))
    return app


def parse(*words: str) -> list[Setting]:
    seen: list[Setting] = []
    result = CliRunner().invoke(app_of(seen), words, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return seen


def overlay(folder: Path, text: str) -> list[Setting]:
    (folder / "lists.yaml").write_text(text, encoding="utf-8")
    return from_file(folder / "lists.yaml", tree(Places))


def test_a_repeated_flag_collects_its_values_in_order() -> None:
    places = resolve(Places, parse("--folders", "b", "--add=water", "--folders=a", "--sides=8", "--sides", "all"))

    assert places.folders == (Path("b"), Path("a"))
    assert places.add == ("water",)
    assert places.sides == (8, "all")


def test_without_the_flag_the_default_stays() -> None:
    places = resolve(Places, parse("--folders", "f", "--amp"))

    assert (places.add, places.sides, places.amp) == ((), (16, 32), True)


def test_a_comma_in_a_flag_is_part_of_the_value() -> None:
    assert resolve(Places, parse("--folders=a,b")).folders == (Path("a,b"),)


def test_a_file_holds_a_list_or_one_value_or_nothing(tmp_path: Path) -> None:
    several = resolve(Places, overlay(tmp_path, "folders: [a, ~]\nadd: [6, water]".replace("~", "b")))
    single = resolve(Places, overlay(tmp_path, "folders: a\nadd: null\nsides: null"))

    assert (several.folders, several.add) == ((Path("a"), Path("b")), ("6", "water"))
    assert (single.folders, single.add, single.sides) == ((Path("a"),), (), ())


def test_a_variable_holds_values_between_commas() -> None:
    variables = {"SATICL_FOLDERS": "a, b", "SATICL_SIDES": "4,all", "SATICL_ADD": ""}

    places = resolve(Places, from_environment(variables, tree(Places)))

    assert (places.folders, places.sides, places.add) == ((Path("a"), Path("b")), (4, "all"), ())


def test_a_later_source_replaces_the_whole_list(tmp_path: Path) -> None:
    file = overlay(tmp_path, "folders: [a, b, c]")

    assert resolve(Places, [*file, *parse("--folders=d")]).folders == (Path("d"),)


def test_every_value_is_made_into_what_it_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")

    places = resolve(Places, parse("--folders=~/a", "--norms=IABN-sync", "--norms=std"))

    assert places.folders == (Path("/home/somebody/a"),)
    assert places.norms == ("iabn_sync", "std")


def test_what_is_written_as_yaml_reads_back_the_same(tmp_path: Path) -> None:
    places = resolve(Places, parse("--folders=a", "--folders=b", "--add=x", "--sides=all"))

    assert resolve(Places, overlay(tmp_path, places.to_yaml())) == places


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "--folders is required: where to look."),
        ("--folders f --sides 8 --sides x", "--sides must be an integer of at least 1, or all, not 'x'."),
        ("--folders f --norms iabn-synk", "--norms must be one of std, iabn_sync, not 'iabn-synk'. Did you mean"),
        ("--folders f --add --amp", "--add needs a value, but is followed by --amp."),
        ("--folders f --folders=", "--folders is empty, but must be a path."),
    ],
)
def test_one_bad_value_is_refused_by_its_own(line: str, sentence: str) -> None:
    with pytest.raises(InvalidOptions) as error:
        resolve(Places, parse(*line.split()))

    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_a_value_of_another_kind_in_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match=r"^add in .*lists.yaml must be text, not \{'a': 1\}\.$"):
        resolve(Places, [*ONE_FOLDER, *overlay(tmp_path, "add: {a: 1}")])


def test_help_says_that_a_flag_may_be_repeated() -> None:
    result = CliRunner().invoke(app_of([]), ["--help"], env={"COLUMNS": "120"})
    text = " ".join(result.stdout.split())

    assert "--folders PATH ... where to look; may be given several times" in text
    assert "--sides INT>=1|all ... sides; may be given several times [16, 32]" in text
    assert "--add TEXT ... what to add; may be given several times │" in text


def test_the_shell_completes_the_values_of_a_list() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['places']\n"
        "from tests.unit.flags.test_lists import app_of\n"
        "app_of([])(prog_name='places')"
    )
    line = ["places", "--norms", "std", "--norms", "iab"]
    environment = {
        **os.environ,
        "_PLACES_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(line),
        "COMP_CWORD": str(len(line) - 1),
    }
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )

    assert found.stdout.split() == ["iabn_sync"]
