"""A finished step with what its predictions on one split count up to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saticl.metrics.scores import Scores
from saticl.runs.folder import Finished
from saticl.tasks import Task


@dataclass(frozen=True)
class Tested:
    """A finished step and its counts."""

    finished: Finished
    scores: Scores
    matrix: NDArray[np.int64]
    """Rows truth."""
    restricted: list[NDArray[np.int64]]
    """One matrix per group of classes among themselves; empty where none was asked for."""

    @property
    def step(self) -> int:
        """Its number."""
        return self.finished.step

    @property
    def task(self) -> Task:
        """Its task."""
        return self.finished.info.task
