"""One writer per step: a lock on its folder that the system takes back when the process ends, however it ends."""

from pathlib import Path

from filelock import FileLock, Timeout

from saticl.errors import InvalidOptions

LOCK_FILE = ".lock"


def lock_step(folder: Path) -> FileLock:
    """Hold the folder of a step until `release()`; the folder is made where it is missing.

    The lock is the system's (flock), not the file's: a file that a killed process leaves behind locks nothing.

    Raises:
        InvalidOptions: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise InvalidOptions(
            f"Another training is writing to {folder} at this moment: wait for it, or give another --name."
        ) from error
    return lock
