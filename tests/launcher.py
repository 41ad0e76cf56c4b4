"""Commands in several processes that know each other, on the CPU, as `accelerate launch` starts them."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def launcher(processes: int, port: int | None = None, machines: int = 1, machine: int = 0) -> list[str]:
    """The words in front of a command; `processes` are those of all machines, which meet at the port."""
    words = [sys.executable, "-m", "accelerate.commands.launch", f"--num_processes={processes}"]
    words += [f"--num_machines={machines}", f"--machine_rank={machine}", "--mixed_precision=no", "--dynamo_backend=no"]
    words += [f"--main_process_port={free_port() if port is None else port}", "--main_process_ip=127.0.0.1"]
    return [*words, "--multi_gpu"] if processes > 1 else [*words, "--cpu"]


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def launch(processes: int, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a command in so many processes."""
    return finished(start([*launcher(processes), *map(str, words)]))


def start(words: Sequence[str]) -> subprocess.Popen[str]:
    """Begin to run a command."""
    return subprocess.Popen(
        words, cwd=REPOSITORY, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Wait for a command."""
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
