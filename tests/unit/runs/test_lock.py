"""A step's folder has one writer."""

import subprocess
import sys
from pathlib import Path

import pytest

from saticl.errors import InvalidOptions
from saticl.runs.lock import LOCK_FILE, lock_step

REPOSITORY = Path(__file__).resolve().parents[3]
HOLD = "import sys; from pathlib import Path; from saticl.runs.lock import lock_step\n"
HOLD += "lock = lock_step(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"


def test_another_process_is_refused_until_the_first_one_ends_however_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "step-0"
    words = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(words, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InvalidOptions, match=r"Another training is writing to .*: wait for it, or give another"):
            lock_step(folder)
        process.kill()
        process.wait()

    assert (folder / LOCK_FILE).is_file()
    lock_step(folder).release()


def test_what_was_released_can_be_held_again(tmp_path: Path) -> None:
    lock_step(tmp_path).release()
    lock_step(tmp_path).release()
