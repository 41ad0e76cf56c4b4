"""docs/adding-a-method.md, executed: its file becomes a module, its entry a method, its command a run."""

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from saticl import methods
from saticl.cli import app
from saticl.methods import MethodSpec

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "adding-a-method.md").read_text(encoding="utf-8")


def block(language: str, number: int) -> str:
    """A fenced block of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[number]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> MethodSpec:
    """The method of the page, for the time of a test."""
    spec: MethodSpec = eval(block("python", 1), {"MethodSpec": MethodSpec})
    module = ModuleType(spec.target.partition(":")[0])
    exec(block("python", 0), module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(methods, "METHODS", (*methods.METHODS, spec))
    return spec


def test_the_example_trains_two_steps_by_its_command(example: MethodSpec, tiny_tiles: Path, tmp_path: Path) -> None:
    words = shlex.split(block("console", 0))[2:]
    words[words.index("--data-root") + 1] = str(tiny_tiles)
    small = ["--model.encoder=test_resnet", "--trainer.max-epochs=1", "--trainer.batch-size=2"]
    where = [f"--output-folder={tmp_path}", "--tracking.uri=none", "--trainer.num-workers=0"]

    result = CliRunner().invoke(app, [*words, *small, *where])

    assert result.exit_code == 0, result.output
    journal = (tmp_path / f"potsdam/222a/{example.name}-cd/step-2/journal.jsonl").read_text()
    assert '"pixels"' in journal
    assert '"rotation"' in journal


def test_the_example_is_listed(example: MethodSpec) -> None:
    result = CliRunner().invoke(app, ["list", "methods", "--json"])

    assert example.summary in result.output
