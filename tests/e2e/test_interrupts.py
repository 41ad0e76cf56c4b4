"""Ctrl-C in a terminal and SIGTERM of a scheduler reach all processes of a command, and SIGKILL asks none of them.

It ends with one line, at whatever moment a signal comes, and the same command goes on to what it would have left.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.launcher import ENVIRONMENT, REPOSITORY, free_port, launcher
from tests.prepared import write_prepared

RESUME = "Interrupted. The same command with --trainer.resume continues from the last state that was saved.\n"
SAVED = r"Interrupted after iteration \d+, which is saved\. The same command with --trainer\.resume continues\.\n"
PATIENCE_S = 240


def start(words: Sequence[str], log: Path, before: Sequence[str] = (sys.executable,)) -> subprocess.Popen[bytes]:
    """A command in a session of its own; what it prints goes to `log`, its errors beside it."""
    environment = {**ENVIRONMENT, "ACCELERATE_USE_CPU": "true" if len(before) > 1 else "false"}
    with log.open("w") as out, log.with_suffix(".err").open("w") as err:
        return subprocess.Popen(
            [*before, "run.py", *words],
            cwd=REPOSITORY, stdout=out, stderr=err, env=environment, start_new_session=True,
        )  # fmt: skip


def signalled(process: subprocess.Popen[bytes], number: int, is_time: Callable[[], bool]) -> int:
    """Exit code of a command whose processes all get a signal as soon as it is time, unless it ends before."""
    try:
        end = time.monotonic() + PATIENCE_S
        while not is_time() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        if process.poll() is None:
            os.killpg(process.pid, number)
        return process.wait(PATIENCE_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def interrupted(
    words: Sequence[str], log: Path, marker: str, delay: float, number: int = signal.SIGINT
) -> tuple[int, str]:
    """Exit code and errors of a command that gets a signal a moment after it has printed the marker."""
    process = start(words, log)

    def is_time() -> bool:
        if marker not in log.read_text():
            return False
        time.sleep(delay)
        return True

    code = signalled(process, number, is_time)
    return code, log.with_suffix(".err").read_text()


def training(folder: Path, epochs: int) -> list[str]:
    """A training of whose tiles two processes take care."""
    if not (folder / "tiles").is_dir():
        write_prepared(folder / "tiles")
    return [
        "train", f"--data-root={folder / 'tiles'}", "--tracking.uri=none", f"--trainer.max-epochs={epochs}",
        "--model.encoder=test_resnet", "--trainer.patience=500", "--trainer.num-workers=2", "--trainer.batch-size=2",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(("marker", "delay"), [("folder", 0.0), ("folder", 0.3)])
def test_what_has_hardly_begun_ends_with_one_line(marker: str, delay: float, tmp_path: Path) -> None:
    words = [*training(tmp_path, epochs=500), f"--output-folder={tmp_path / 'out'}"]

    code, said = interrupted(words, tmp_path / "log", marker, delay)

    assert (code, said) == (130, RESUME) or (code == 75 and re.fullmatch(SAVED, said))


@pytest.mark.slow
@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_training_ends_between_two_iterations_and_says_so(number: int, tmp_path: Path) -> None:
    """A scheduler signals the processes that load tiles, too."""
    words = [*training(tmp_path, epochs=500), f"--output-folder={tmp_path / 'out'}"]

    code, said = interrupted(words, tmp_path / "log", "epoch 1", 0.1, number)

    assert code == 75
    assert re.fullmatch(SAVED, said)
    assert len(list((tmp_path / "out").rglob("state.pt"))) == 1


@pytest.mark.slow
def test_two_processes_end_together_and_go_on_to_the_same_weights(tmp_path: Path) -> None:
    words = [*training(tmp_path, epochs=6), "--trainer.resume"]
    whole = start([*words, f"--output-folder={tmp_path / 'whole'}"], tmp_path / "log", launcher(2))
    assert whole.wait(PATIENCE_S) == 0
    words = [*words, f"--output-folder={tmp_path / 'ended'}"]

    process = start(words, tmp_path / "log", launcher(2))
    code = signalled(process, signal.SIGTERM, lambda: "epoch 2" in (tmp_path / "log").read_text())
    said = (tmp_path / "log.err").read_text()
    again = start(words, tmp_path / "log", launcher(2))
    assert again.wait(PATIENCE_S) == 0

    assert code != 0
    assert len(re.findall("Interrupted after iteration", said)) == 1
    assert "epoch 2" not in (tmp_path / "log").read_text()
    assert left(tmp_path / "ended", "*.safetensors") == left(tmp_path / "whole", "*.safetensors") != {}


@pytest.mark.slow
def test_processes_that_read_from_the_environment_who_they_are_hand_on_the_exit_code(tmp_path: Path) -> None:
    """As under Slurm, without a launcher."""
    words = [*training(tmp_path, epochs=500), f"--output-folder={tmp_path / 'out'}"]
    meet = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = []
    for rank in ("0", "1"):
        environment = {**ENVIRONMENT, **meet, "RANK": rank, "LOCAL_RANK": rank}
        with (tmp_path / rank).open("w") as log:
            command = [sys.executable, "run.py", *words]
            processes.append(
                subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, start_new_session=True)
            )

    def both_are_signalled() -> bool:
        if "epoch 1" not in (tmp_path / "0").read_text():
            return False
        os.killpg(processes[1].pid, signal.SIGTERM)
        return True

    assert signalled(processes[0], signal.SIGTERM, both_are_signalled) == 75
    assert processes[1].wait(PATIENCE_S) == 75


def left(folder: Path, names: str) -> dict[str, bytes]:
    """The bytes of the files that a command has left."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob(names) if path.is_file()}


def killed(words: Sequence[str], log: Path, seconds: float, draw: random.Random, kills: int) -> None:
    """Kill a command so often that takes so many seconds, each time at a random moment, then let it end."""
    while kills:
        process, moment = start(words, log), time.monotonic() + draw.uniform(0, seconds)
        code = signalled(process, signal.SIGKILL, lambda moment=moment: time.monotonic() > moment)  # type: ignore[misc]
        if code == 0:
            return
        assert code == -signal.SIGKILL, log.with_suffix(".err").read_text()
        kills -= 1
    process = start(words, log)
    assert process.wait(PATIENCE_S) == 0, log.with_suffix(".err").read_text()


def timed(words: Sequence[str], log: Path) -> float:
    """Seconds of a command that nobody disturbs."""
    started = time.monotonic()
    process = start(words, log)
    assert process.wait(PATIENCE_S) == 0, log.with_suffix(".err").read_text()
    return time.monotonic() - started


ROUNDS = [pytest.param(2, marks=pytest.mark.slow), pytest.param(30, marks=[pytest.mark.slow, pytest.mark.exhaustive])]
"""How often it is killed."""


@pytest.mark.parametrize("kills", ROUNDS)
def test_a_training_that_is_killed_at_any_moment_ends_with_the_same_weights(kills: int, tmp_path: Path) -> None:
    """While it starts, trains, validates, saves, scores and seals, over three steps."""
    words = [*training(tmp_path, epochs=4), "--task.name=222a", "--task.step=all", "--name=run", "--trainer.resume"]
    words += ["--trainer.save-minutes=0.005"]
    seconds = timed([*words, f"--output-folder={tmp_path / 'whole'}"], tmp_path / "log")
    expected = left(tmp_path / "whole", "*.safetensors")
    assert len(expected) == 3

    draw = random.Random(kills)
    for round_ in range(-(-kills // 6)):
        out = tmp_path / f"killed-{round_}"
        killed([*words, f"--output-folder={out}"], tmp_path / "log", seconds, draw, min(kills, 6))

        assert left(out, "*.safetensors") == expected


@pytest.mark.parametrize("kills", ROUNDS)
def test_prepare_that_is_killed_at_any_moment_leaves_the_same_folder(kills: int, tmp_path: Path) -> None:
    made = ["demo", f"--dst={tmp_path / 'raw'}", "--scenes=4", "--size=256"]
    timed(made, tmp_path / "log")
    words = [
        "prepare",
        "--dataset=potsdam",
        f"--src={tmp_path / 'raw'}",
        "--tile-size=64",
        "--allow-missing",
        "--jobs=2",
    ]
    seconds = timed([*words, f"--dst={tmp_path / 'whole'}"], tmp_path / "log")
    expected = left(tmp_path / "whole", "*")
    assert len(expected) > 50

    draw = random.Random(kills)
    for round_ in range(-(-kills // 3)):
        out = tmp_path / f"killed-{round_}"
        killed([*words, f"--dst={out}"], tmp_path / "log", seconds, draw, min(kills, 3))

        assert left(out, "[!.]*") == {name: of for name, of in expected.items() if not Path(name).name.startswith(".")}
