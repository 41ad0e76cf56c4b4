"""Work on a Dask cluster, through the same interface as a pool of processes."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from saticl.errors import InvalidOptions

CONNECT_S = 20
"""How long a scheduler is waited for."""


@contextmanager
def cluster_executor(address: str) -> Iterator[Executor]:
    """The workers of the scheduler at an address; they need this program and the same folders.

    Raises:
        InvalidOptions: the package is missing, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InvalidOptions(
            "--cluster needs the package distributed: pip install distributed, here and on all workers."
        ) from error
    try:
        client = Client(address, timeout=CONNECT_S)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise InvalidOptions(
            f"No Dask scheduler answers at {address}: start one with `dask scheduler`, or correct --cluster."
        ) from error
    with client:
        executor: Executor = client.get_executor()  # type: ignore[no-untyped-call]
        yield executor
