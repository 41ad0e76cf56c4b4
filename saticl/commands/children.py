"""Commands of this program as processes of their own: what they print goes to a log, and none outlives its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Lock

import saticl

GRACE_S = 20.0
"""Seconds that interrupted processes are given to end by themselves."""

START = "from saticl.cli import main; main()"


class Children:
    """The processes that were started and have not ended yet; several threads may start them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = Event()

    def call(self, words: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> int | None:
        """Run one command, appending what it prints to the log; its exit code, None where all were stopped.

        `environment` comes on top of this process's own, whose options (SATICL_...) the command does not see: it was
        told everything. A session of its own keeps the terminal's Ctrl-C away from it: `stop` hands it on, once.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(f"$ saticl {' '.join(words)}\n".encode())
            file.flush()
            with self._lock:
                if self._stopped.is_set():
                    return None
                process = subprocess.Popen(
                    [sys.executable, "-P", "-c", START, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env={**_inherited(), **(environment or {})},
                    start_new_session=True,
                )
                self._running.add(process)
            try:
                code = process.wait()
            finally:
                with self._lock:
                    self._running.discard(process)
        return None if self._stopped.is_set() else code

    def stop(self) -> None:
        """Start no further process, interrupt those that run, and wait for them; who does not listen is killed."""
        with self._lock:
            self._stopped.set()
            running = list(self._running)
        for process in running:
            process.send_signal(signal.SIGINT)
        for process in running:
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _inherited() -> dict[str, str]:
    """The environment without options; the package is found where this process has found it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SATICL_")}
    here = str(Path(saticl.__file__).resolve().parents[1])
    return {**kept, "PYTHONPATH": os.pathsep.join([here, *filter(None, [kept.get("PYTHONPATH")])])}
