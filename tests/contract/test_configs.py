"""Every file in configs/ is valid: overlays and descriptions by our own rules, launcher files by accelerate's."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from timm import is_model
from typer.testing import CliRunner

from saticl.cli import app
from saticl.datasets import find
from saticl.models.own_encoders import OWN_ENCODERS

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIGS = REPOSITORY / "configs"
LAUNCHER_FILES = sorted([*CONFIGS.glob("*.json"), *(CONFIGS / "accelerate").glob("*.yaml")])
DESCRIPTIONS = sorted(CONFIGS.glob("*.yaml"))
OVERLAYS = sorted({*CONFIGS.glob("*/*.yaml")} - {*LAUNCHER_FILES})


def name_of(path: Path) -> str:
    return str(path.relative_to(CONFIGS))


def contains(whole: dict[str, object], part: dict[str, object]) -> bool:
    """Whether everything in a tree is in the other one."""
    for key, value in part.items():
        mine = whole[key]
        if isinstance(value, dict):
            assert isinstance(mine, dict)
            if not contains(mine, value):
                return False
        elif mine != value:
            return False
    return True


@pytest.fixture(params=OVERLAYS, ids=name_of)
def overlay(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_an_overlay_is_understood_and_kept_as_written(overlay: Path) -> None:
    written = yaml.safe_load(overlay.read_text(encoding="utf-8"))

    result = CliRunner().invoke(app, ["train", "--config", str(overlay), "--data-root", "tiles", "--print-config"])

    assert result.exit_code == 0, f"{result.output} {result.exception}"
    assert contains(yaml.safe_load(result.output), written)


def test_an_overlay_names_what_exists(overlay: Path) -> None:
    written = yaml.safe_load(overlay.read_text(encoding="utf-8"))
    dataset = find(written["dataset"])

    assert written["dataset"] == overlay.parent.name
    assert written["task"]["name"] in {protocol.name for protocol in dataset.protocols}
    assert is_model(written["model"]["encoder"]) or written["model"]["encoder"] in OWN_ENCODERS


def test_an_overlay_says_how_to_use_it_and_what_to_expect(overlay: Path) -> None:
    header = [line for line in overlay.read_text(encoding="utf-8").splitlines() if line.startswith("#")]

    assert any(f"--config configs/{name_of(overlay)} --data-root" in line for line in header)
    assert any("Expected score: " in line or "Our score: " in line for line in header)
    assert any("Hardware: " in line for line in header)


@pytest.mark.parametrize("path", DESCRIPTIONS, ids=name_of)
def test_a_description_of_imagery_can_be_read(path: Path) -> None:
    dataset = find(str(path))

    for protocol in dataset.protocols:
        protocol.validate([entry.name for entry in dataset.classes])


def test_names_of_runs_do_not_collide() -> None:
    runs = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in OVERLAYS]
    folders = [(run["dataset"], run["task"]["name"], run["name"]) for run in runs]

    assert len(set(folders)) == len(folders)


@pytest.mark.parametrize("path", LAUNCHER_FILES, ids=name_of)
def test_accelerate_accepts_the_launcher_files(path: Path) -> None:
    settings = load_config_from_file(str(path))

    assert settings.num_processes >= 1
    assert (settings.num_processes > 1) == (settings.distributed_type.value == "MULTI_GPU")


@pytest.mark.slow
def test_the_single_gpu_file_starts_one_process_on_any_machine(tmp_path: Path) -> None:
    script = tmp_path / "count.py"
    script.write_text("from accelerate import Accelerator\nprint('processes', Accelerator().num_processes)\n")
    launch = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"]
    file = ["--config_file", str(CONFIGS / "single-gpu.json"), "--main_process_port", "1234"]

    result = subprocess.run([*launch, *file, str(script)], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert result.stdout.splitlines() == ["processes 1"], result.stderr
