"""Ctrl-C in a terminal reaches all processes of a command: it ends with one line, at whatever moment it comes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.prepared import write_prepared

REPOSITORY = Path(__file__).resolve().parents[2]
RESUME = "Interrupted. The same command with --trainer.resume continues after the last complete epoch.\n"
PATIENCE_S = 240


def interrupted(words: Sequence[str], log: Path, marker: str, delay: float) -> tuple[int, str]:
    """Exit code and errors of a command that is interrupted a moment after it has printed the marker."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    errors = log.with_suffix(".err")
    with log.open("w") as out, errors.open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "run.py", *words],
            cwd=REPOSITORY, stdout=out, stderr=err, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            end = time.monotonic() + PATIENCE_S
            while marker not in log.read_text() and process.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
            time.sleep(delay)
            os.killpg(process.pid, signal.SIGINT)
            code = process.wait(PATIENCE_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return code, errors.read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(("marker", "delay"), [("folder", 0.0), ("folder", 0.3), ("epoch 1", 0.1)])
def test_training_ends_with_one_line(marker: str, delay: float, tmp_path: Path) -> None:
    write_prepared(tmp_path / "tiles")
    words = [
        "train", f"--data-root={tmp_path / 'tiles'}", f"--output-folder={tmp_path / 'out'}", "--tracking.uri=none",
        "--model.encoder=test_resnet", "--trainer.max-epochs=500", "--trainer.patience=500", "--trainer.num-workers=2",
    ]  # fmt: skip

    assert interrupted(words, tmp_path / "log", marker, delay) == (130, RESUME)
