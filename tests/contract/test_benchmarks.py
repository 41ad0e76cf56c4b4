"""The comparisons of scripts/benchmark: understood by `compare`, and of learning orders that exist."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from saticl.cli import app
from saticl.datasets import find

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = sorted((REPOSITORY / "scripts" / "benchmark").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_comparison_is_understood_and_kept_as_written(file: Path) -> None:
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    arguments = ["compare", "--config", str(file), "--data-root", "tiles", "--dst", "runs", "--print-config"]

    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 0, f"{result.output} {result.exception}"
    understood = yaml.safe_load(result.output)
    assert {name: understood[name] for name in written if name != "train"} == {
        name: value for name, value in written.items() if name != "train"
    }
    dataset = find(str(REPOSITORY / "configs" / "dubai-parts.yaml"))
    assert set(written["task"]) <= {protocol.name for protocol in dataset.protocols}
