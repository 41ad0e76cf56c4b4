"""Who does the work of a comparison: threads of this process, each with children and a GPU, or a cluster's workers."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle, islice
from queue import SimpleQueue

import torch

from saticl.commands.children import Children
from saticl.commands.cluster import cluster_executor
from saticl.commands.work import Outcome, Work, execute, execute_there
from saticl.config import CompareConfig
from saticl.errors import InvalidOptions

Submit = Callable[[Work], Future[Outcome]]
"""Hands in one run; its outcome comes later."""


@contextmanager
def hands(config: CompareConfig) -> Iterator[Submit]:
    """Those that the options ask for; what was begun here is interrupted when the block is left early.

    Raises:
        InvalidOptions: no such GPU, or no cluster.
    """
    if config.cluster is not None:
        with cluster_executor(config.cluster) as executor:
            yield lambda work: executor.submit(execute_there, work)
        return
    gpus = visible_gpus([str(number) for number in config.gpus])
    jobs = config.jobs or max(len(gpus), 1)
    with _local_hands(environments(jobs, gpus)) as submit:
        yield submit


def visible_gpus(wanted: list[str]) -> list[str]:
    """The GPUs to use, as CUDA_VISIBLE_DEVICES names them: those that are wanted, else all that can be seen.

    Raises:
        InvalidOptions: a wanted one does not exist.
    """
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    seen = torch.cuda.device_count()
    known = named[:seen] if named else [str(number) for number in range(seen)]
    for name in wanted:
        if name not in known:
            there = f"the GPUs {', '.join(known)} can be seen" if known else "no GPU can be seen"
            raise InvalidOptions(f"--gpus {name} cannot be used: {there} here.")
    return wanted or known


def environments(jobs: int, gpus: list[str]) -> list[dict[str, str]]:
    """What the children of each of several hands see: one GPU in turn, or without any their part of the cores.

    Processes that each use all cores only disturb one another; a number of threads that the user has set stays.
    """
    if gpus:
        return [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in islice(cycle(gpus), jobs)]
    threads = {"OMP_NUM_THREADS": str(max((os.cpu_count() or 1) // jobs, 1))}
    return [{} if jobs == 1 or "OMP_NUM_THREADS" in os.environ else threads] * jobs


@contextmanager
def _local_hands(surroundings: list[dict[str, str]]) -> Iterator[Submit]:
    """A thread for each of the environments; it starts processes and waits for them."""
    children = Children()
    free: SimpleQueue[dict[str, str]] = SimpleQueue()
    for environment in surroundings:
        free.put(environment)

    def do(work: Work) -> Outcome:
        environment = free.get()
        try:
            return execute(work, children, environment)
        finally:
            free.put(environment)

    executor = ThreadPoolExecutor(len(surroundings))
    try:
        with _terminated_as_interrupted():
            yield lambda work: executor.submit(do, work)
    except BaseException:
        children.stop()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, with which a batch system ends a job, is taken as Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
