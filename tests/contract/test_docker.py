"""The container's recipe: clean by its linter, and everything it copies exists and reaches the build."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
HADOLINT = Path(sys.executable).parent / "hadolint"


def copied() -> list[str]:
    """Sources of all COPY instructions that take from the repository."""
    lines = [line.split()[1:] for line in RECIPE.splitlines() if line.startswith("COPY ") and "--from=" not in line]
    return [source for line in lines for source in line[:-1]]


def reaches_the_build(source: str) -> bool:
    """Whether .dockerignore lets a file or folder through: its last matching line decides."""
    lets = True
    for line in (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").strip()
        if pattern and not line.startswith("#") and fnmatch(source, pattern):
            lets = line.startswith("!")
    return lets


@pytest.mark.skipif(not HADOLINT.is_file(), reason="hadolint is not installed: requirements-dev.txt brings it")
def test_the_linter_has_nothing_to_say() -> None:
    result = subprocess.run([HADOLINT, "Dockerfile"], cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert result.stdout + result.stderr == ""


def test_it_copies_what_the_program_needs() -> None:
    assert {"run.py", "saticl", "configs"} <= set(copied())


@pytest.mark.parametrize("source", copied())
def test_copied_sources_exist_and_are_not_ignored(source: str) -> None:
    assert (REPOSITORY / source).exists()
    assert reaches_the_build(source)


@pytest.mark.parametrize("source", [".git", ".venv", "data", "outputs", "demo", "tests"])
def test_large_and_private_folders_stay_outside(source: str) -> None:
    assert not reaches_the_build(source)


def test_it_runs_as_a_numbered_user_without_rights() -> None:
    users = re.findall(r"^USER (\S+)", RECIPE, flags=re.MULTILINE)

    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_the_program_is_the_entry_point() -> None:
    assert 'ENTRYPOINT ["python", "/app/run.py"]' in RECIPE
