"""What the README and the other pages say can be done can be done: commands parse, links lead somewhere."""

import os
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from saticl.cli import app
from saticl.config import TrainConfig
from saticl.datasets import find
from saticl.methods import METHODS, MethodSpec

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
TO_WRITE = "keep_pixels.py"
"""The module that the worked example has the reader write."""
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])


def commands() -> list[list[str]]:
    """The words of every line in the console blocks, continued lines joined."""
    blocks = re.findall(r"^```console\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]
    return [shlex.split(line) for line in lines]


def our_commands() -> list[list[str]]:
    """What follows run.py in those that call it, by python or by a launcher."""
    called = [words[words.index("run.py") + 1 :] for words in commands() if "run.py" in words]
    inline = re.findall(r"`python run\.py ([^`]+)`", README)
    return [*called, *(shlex.split(words) for words in inline)]


@pytest.mark.parametrize("words", our_commands(), ids=" ".join)
def test_a_command_is_understood(words: list[str]) -> None:
    is_shown = words[0] == "list" or "--help" in words
    result = CliRunner().invoke(app, words if is_shown else [*words, "--print-config"])

    assert result.exit_code == 0, f"{result.output} {result.exception}"


def test_the_folders_of_one_command_are_those_of_the_next() -> None:
    """Where `train` writes is what `test` is told to score."""
    pairs = [(first, then) for first, then in pairwise(our_commands()) if then[0] == "test"]
    assert pairs

    for train, test in pairs:
        options = dict(pairwise(train))
        run = Path(test[test.index("--run") + 1])
        assert run.parent.name == options["--task.name"]
        method = options.get("--method", TrainConfig.model_fields["method"].default)
        assert run.name == (f"{method}-cd" if "--aug.factor" in options else method)


def test_every_other_command_is_a_script_or_well_known() -> None:
    known = {"python", "python3", ".", "pip", "accelerate", "docker"}

    for words in commands():
        if words[0] not in known:
            assert os.access(REPOSITORY / words[0], os.X_OK), words[0]


def test_files_named_in_commands_exist() -> None:
    named = {word for words in commands() for word in words if re.match(r"(configs|scripts|\./scripts)/", word)}

    assert named
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_method_is_in_the_table(method: MethodSpec) -> None:
    rows = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `")]

    assert any(f"`{method.name}`" in row for row in rows)


def test_the_example_of_a_description_works(tmp_path: Path) -> None:
    block = re.search(r"^```yaml\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    assert block is not None
    (tmp_path / "mine.yaml").write_text(block[1], encoding="utf-8")

    dataset = find(str(tmp_path / "mine.yaml"))

    assert [entry.name for entry in dataset.classes] == ["building", "road", "water"]
    assert "2s" in {protocol.name for protocol in dataset.protocols}


def test_the_longer_example_in_the_data_page_works(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "data.md").read_text(encoding="utf-8")
    block = re.search(r"^```yaml\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert block is not None
    (tmp_path / "mine.yaml").write_text(block[1], encoding="utf-8")

    assert find(str(tmp_path / "mine.yaml")).bands == tuple(yaml.safe_load(block[1])["bands"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]

    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_modules_and_tests_named_in_pages_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    modules = re.findall(r"`((?:saticl/)?(?:\w+/)*\w+\.py)`", text)
    tests = [name for name in modules if Path(name).name.startswith("test_")]
    others = [name for name in modules if name not in tests and not name.startswith(("run.py", "scripts/", TO_WRITE))]
    known = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "tests").rglob("test_*.py")}

    assert [name for name in tests if not any(f"/{path}".endswith(f"/{name}") for path in known)] == []
    assert [name for name in others if not (REPOSITORY / "saticl" / name.removeprefix("saticl/")).exists()] == []
