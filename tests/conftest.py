"""Fixtures that several tests share. None reads data from outside the repository."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests import strategies  # noqa: F401 - sets how long properties are tried, for all tests
from tests.prepared import write_prepared

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
torch.set_num_threads(1)


def pytest_configure(config: pytest.Config) -> None:
    """pytest-randomly draws the order of the tests, and nothing else: numbers are drawn by `seeded` and by tests."""
    if hasattr(config.option, "randomly_reset_seed"):
        config.option.randomly_reset_seed = False


@pytest.fixture(autouse=True)
def seeded() -> None:
    """A test draws the same numbers whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder: four training scenes in three groups and a test scene, tiles of 64 pixels, three bands."""
    root = tmp_path_factory.mktemp("tiny_tiles")
    write_prepared(root)
    return root


@pytest.fixture
def listening() -> Iterator[None]:
    """Ctrl-C as in a terminal: tests that run in the background inherit that it is ignored, and hand it on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
