"""A step's folder is claimed before anything is written into it, so that two trainings of one name do not mix."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from saticl.errors import InvalidOptions, SaticlError
from saticl.runs.lock import lock_step


@contextmanager
def claimed(folder: Path, accelerator: Accelerator, is_finished: Callable[[], bool]) -> Iterator[bool]:
    """Hold the folder of a step while the block runs; yields whether the step needs no training.

    Only the main process holds it, and asks `is_finished` once more when it does: another training may have begun,
    or even finished, since it was asked first. The other processes hear its answer.

    Raises:
        SaticlError: another training holds the folder, or `is_finished` refuses; on every process.
    """
    answer: list[bool | str] = [False]
    lock = None
    if accelerator.is_main_process:
        try:
            lock = lock_step(folder)
            answer = [is_finished()]
        except SaticlError as error:
            answer = [str(error)]
    broadcast_object_list(answer)
    try:
        (finished,) = answer
        if isinstance(finished, str):
            raise InvalidOptions(finished)
        yield finished
    finally:
        if lock is not None:
            lock.release()
