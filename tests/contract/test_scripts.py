"""The shell scripts: linted, and run for real with an interpreter and a launcher that only note what they are told."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from saticl.cli import app

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((REPOSITORY / "scripts").glob("*.sh"))
LAUNCHERS = [path for path in SCRIPTS if path.name.startswith("launch-")]
SHELLCHECK = Path(sys.executable).parent / "shellcheck"

NOTE = """#!/usr/bin/env bash
printf '%q ' "$(basename "$0")" "$@" >>"$NOTES"
echo >>"$NOTES"
"""
"""A program that writes down how it was called."""


def resolved(arguments: list[str]) -> dict[str, object]:
    """The options of a command line of run.py, without running it."""
    result = CliRunner().invoke(app, [*arguments, "--print-config"])
    assert result.exit_code == 0, f"{arguments}: {result.output} {result.exception}"
    options: dict[str, object] = yaml.safe_load(result.output)
    return options


def noting(folder: Path, *names: str) -> Path:
    """A folder of programs that only note how they are called."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(NOTE)
        (folder / name).chmod(0o755)
    return folder


def run(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
    )


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """A copy of the scripts beside an environment of programs that only take notes."""
    shutil.copytree(REPOSITORY / "scripts", tmp_path / "a b" / "scripts")
    noting(tmp_path / "a b" / ".venv" / "bin", "python", "ruff", "mypy", "shellcheck", "pytest")
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-mutants.txt", "constraints.txt"):
        shutil.copy(REPOSITORY / name, tmp_path / "a b")
    return tmp_path / "a b"


def notes(path: Path) -> list[list[str]]:
    return [shlex.split(line) for line in path.read_text().splitlines()]


@pytest.mark.skipif(not SHELLCHECK.is_file(), reason="shellcheck is not installed: requirements-dev.txt brings it")
def test_the_linter_has_nothing_to_say() -> None:
    files = [*SCRIPTS, REPOSITORY / ".ci" / "run"]
    result = subprocess.run([SHELLCHECK, "-x", *files], cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert result.stdout + result.stderr == ""


@pytest.mark.parametrize("path", [*SCRIPTS, REPOSITORY / ".ci" / "run"], ids=lambda path: path.name)
def test_scripts_can_be_executed_and_stop_at_errors(path: Path) -> None:
    is_sourced = path.read_text().startswith("# shellcheck shell=bash")

    assert is_sourced or (os.access(path, os.X_OK) and "\nset -euo pipefail\n" in path.read_text())


def test_continuous_integration_runs_the_test_script() -> None:
    commands = [line for line in (REPOSITORY / ".ci" / "run").read_text().splitlines() if line.startswith("exec")]

    assert len(commands) == 1
    assert commands[0].endswith('/../scripts/test.sh"')


def test_the_demo_gives_commands_that_are_understood(sandbox: Path, tmp_path: Path) -> None:
    result = run(sandbox / "scripts" / "demo.sh", NOTES=str(tmp_path / "notes"))
    calls = [call[2:] for call in notes(tmp_path / "notes") if call[1] == "run.py"]
    options = [resolved(call) for call in calls]

    assert result.returncode == 0, result.stderr
    assert [call[0] for call in calls] == ["demo", "prepare", "train", "train", "train", "test", "test"]
    made, cut, *trained, other, last = options
    runs = [f"{one['output_folder']}/potsdam/{one['task']['name']}/{one['name']}" for one in trained]  # type: ignore[index]
    assert made["dst"] == cut["src"]
    assert {cut["dst"]} == {one["data_root"] for one in trained}
    assert [(one["method"], one["task"]["step"]) for one in trained] == [("mib", "all"), ("ft", 1), ("ft", 2)]  # type: ignore[index]
    assert trained[1]["task"]["step_checkpoint"] == f"{runs[0]}/step-0"  # type: ignore[index]
    assert (
        len({str({**one, "aug": 0, "kd": 0, "model": 0, "method": 0, "name": 0, "task": 0}) for one in trained}) == 1
    )
    assert (last["run"], other["run"]) == (runs[0], runs[1]) == (runs[0], last["against"])
    assert all("../" not in str(option) and ": '/" not in str(option) for option in options), (
        "inside the repository only"
    )


def test_the_demo_can_run_twice_and_installs_once(sandbox: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert run(sandbox / "scripts" / "demo.sh", NOTES=str(tmp_path / name)).returncode == 0

    assert any("pip" in call for call in notes(tmp_path / "first"))
    assert not any("pip" in call for call in notes(tmp_path / "second"))


def test_changed_requirements_are_installed_again(sandbox: Path, tmp_path: Path) -> None:
    run(sandbox / "scripts" / "demo.sh", NOTES=str(tmp_path / "first"))
    (sandbox / "constraints.txt").write_text("six==1.17.0\n")

    run(sandbox / "scripts" / "demo.sh", NOTES=str(tmp_path / "second"))

    assert any("pip" in call for call in notes(tmp_path / "second"))


def test_the_test_script_checks_everything_and_passes_arguments_on(sandbox: Path, tmp_path: Path) -> None:
    (sandbox / ".ci").mkdir()
    result = run(sandbox / "scripts" / "test.sh", "-k", "windows", NOTES=str(tmp_path / "notes"))
    calls = [call for call in notes(tmp_path / "notes") if call[0] != "python"]

    assert result.returncode == 0, result.stderr
    assert [call[0] for call in calls] == ["ruff", "ruff", "mypy", "shellcheck", "pytest"]
    assert calls[-1] == ["pytest", "-n", "2", "-m", "not exhaustive", "-k", "windows"]


def test_the_test_script_runs_all_of_many_alike_cases_on_request(sandbox: Path, tmp_path: Path) -> None:
    (sandbox / ".ci").mkdir()
    run(sandbox / "scripts" / "test.sh", "--slow", "-k", "windows", NOTES=str(tmp_path / "notes"))

    assert notes(tmp_path / "notes")[-1] == ["pytest", "-n", "2", "-k", "windows"]


def test_a_mutation_run_is_asked_for_by_its_flag_and_replaces_the_checks(sandbox: Path, tmp_path: Path) -> None:
    result = run(
        sandbox / "scripts" / "test.sh", "--mutants", "losses", "--sample", "3", NOTES=str(tmp_path / "notes")
    )
    calls = [call for call in notes(tmp_path / "notes") if "pip" not in call]

    assert result.returncode == 0, result.stderr
    assert calls[-1] == ["python", "scripts/mutants.py", "losses", "--sample", "3"]
    assert {call[0] for call in calls} == {"python"}


def test_a_python_that_is_too_old_gives_one_sentence(sandbox: Path, tmp_path: Path) -> None:
    shutil.rmtree(sandbox / ".venv")
    result = run(sandbox / "scripts" / "demo.sh", PYTHON="/bin/false", NOTES=str(tmp_path / "notes"))

    assert result.returncode == 1
    assert result.stderr.startswith("saticl needs Python 3.11 or newer; set PYTHON")


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.stem)
def test_launchers_train_every_step_on_both_kinds_of_images(path: Path, tmp_path: Path) -> None:
    programs = noting(tmp_path / "bin", "accelerate")
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "NOTES": str(tmp_path / "notes")}

    result = run(path, "tiles/rgb", "tiles/rgbir", "--seed", "7", **environment)
    calls = notes(tmp_path / "notes")
    options = [resolved(call[call.index(str(REPOSITORY / "run.py")) + 1 :]) for call in calls]
    steps = [option["task"]["step"] for option in options]  # type: ignore[index]
    per_kind = len(steps) // 2

    assert result.returncode == 0, result.stderr
    assert steps == [*range(per_kind), *range(per_kind)]
    assert per_kind == (1 if "offline" in path.name else 6)
    assert [option["in_channels"] for option in options] == [3] * per_kind + [4] * per_kind
    assert {option["seed"] for option in options} == {7}
    assert {option["data_root"] for option in options[:per_kind]} == {"tiles/rgb"}
    assert all(re.search(r"configs/single-gpu\.json$", call[call.index("--config_file") + 1]) for call in calls)


def test_a_launcher_leaves_out_what_is_not_there(tmp_path: Path) -> None:
    programs = noting(tmp_path / "bin", "accelerate")
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "NOTES": str(tmp_path / "notes")}

    run(REPOSITORY / "scripts" / "launch-mib.sh", "-", "tiles/rgbir", **environment)

    assert len(notes(tmp_path / "notes")) == 6
    assert all("rgbir-mib" in call for call in notes(tmp_path / "notes"))


def test_a_launcher_without_data_says_how_it_is_used() -> None:
    result = run(REPOSITORY / "scripts" / "launch-mib.sh")

    assert result.returncode == 2
    assert "usage:" in result.stderr
