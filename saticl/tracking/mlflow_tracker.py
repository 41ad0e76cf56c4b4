"""MLflow as a mirror of the journal: one parent run per name, one child run per step.

MLflow is imported when a tracker is opened, and spoken to through its client alone, so that nothing global changes.
"""

import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from saticl.options import TrackingOptions
from saticl.tracking import mlflow_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

Status = Literal["FINISHED", "FAILED", "KILLED"]
Entity = TypeVar("Entity")

LOG = logging.getLogger(__name__)
LARGEST_TEXT = 6000
"""Characters MLflow stores of a parameter."""
PATIENCE = 3
"""Failures in a row after which a tracker gives up: an address that has gone costs minutes per attempt."""


class NullTracker:
    """Records nothing: tracking is off, MLflow could not be reached, or this is not the main process."""

    def params(self, values: Mapping[str, object]) -> None:
        """Record options of the step, nested as they are; their names are joined by dots."""

    def metrics(self, values: Mapping[str, object], step: int) -> None:
        """Record numbers at an epoch, nested as they are; their names are joined by dots.

        NaN, infinities and None are left out: they say that there is no number.
        """

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Keep a copy of a file, or of a folder with its name, in a folder of the run if one is named."""

    def close(self, status: Status = "FINISHED") -> None:
        """End the step's run; opening the same step again continues it."""


class Tracker(NullTracker):
    """Records a step in MLflow. A failure is reported once, as a warning, and never reaches the caller."""

    def __init__(self, client: "MlflowClient", parent: str, child: str) -> None:
        """Record in run `child`, a part of run `parent`; `open_tracker` finds or makes both."""
        self._client = client
        self._parent = parent
        self._child = child
        self._failures = 0
        self._warned = False

    def params(self, values: Mapping[str, object]) -> None:
        """See NullTracker. Parameters that the run has already keep their first value, as MLflow demands."""
        self._attempt(lambda: self._log_params(dict(flatten(values))))

    def metrics(self, values: Mapping[str, object], step: int) -> None:
        """See NullTracker."""
        self._attempt(lambda: self._log_metrics(finite(values), step))

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """See NullTracker."""
        self._attempt(lambda: self._client.log_artifact(self._child, str(path), folder))

    def close(self, status: Status = "FINISHED") -> None:
        """See NullTracker."""
        self._attempt(lambda: self._client.set_terminated(self._child, status))
        self._attempt(lambda: self._client.set_terminated(self._parent, status))

    def _log_params(self, values: Mapping[str, object]) -> None:
        from mlflow.entities import Param

        known = self._client.get_run(self._child).data.params
        new = [Param(key, str(value)[:LARGEST_TEXT]) for key, value in values.items() if key not in known]
        for part in _batches(new, 100):
            self._client.log_batch(self._child, params=part)

    def _log_metrics(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for part in _batches([Metric(key, value, now, step) for key, value in values.items()], 1000):
            self._client.log_batch(self._child, metrics=part)

    def _attempt(self, record: Callable[[], object]) -> None:
        if self._failures >= PATIENCE:
            return
        try:
            with mlflow_runs.quiet():
                record()
            self._failures = 0
        except Exception as error:  # noqa: BLE001  whatever goes wrong in here, training goes on
            self._failures += 1
            if not self._warned:
                self._warned = True
                LOG.warning(
                    "MLflow could not record this (%s). Training goes on; journal.jsonl holds everything.",
                    _brief(error),
                )


def open_tracker(
    options: TrackingOptions, output_folder: Path, run: Path, step: int, enabled: bool = True
) -> NullTracker:
    """The tracker of one step: its own MLflow run within the run named like the folder, continued if it exists.

    Without an address, MLFLOW_TRACKING_URI is used, and without that a SQLite file, `mlflow.db`, in the output folder
    with `mlflow-artifacts` beside it. Without an experiment, it is named by the folders in between: dataset/task.

    Args:
        options: where to record; the address "none" records nowhere.
        output_folder: home of the default store.
        run: folder of the run, in the output folder; steps of one folder are parts of one MLflow run.
        step: the incremental step.
        enabled: off on all processes but the main one.
    """
    default = f"{mlflow_runs.SQLITE}{output_folder.resolve() / 'mlflow.db'}"
    uri = options.uri or os.environ.get("MLFLOW_TRACKING_URI") or default
    if not enabled or uri.lower() == "none":
        return NullTracker()
    experiment = options.experiment or run.parent.relative_to(output_folder).as_posix()
    try:
        with mlflow_runs.quiet():
            client = mlflow_runs.connect(uri)
            home = mlflow_runs.find_experiment(client, uri, experiment)
            return Tracker(client, *mlflow_runs.find_runs(client, home, run.name, step))
    except Exception as error:  # noqa: BLE001  whatever goes wrong in here, training goes on
        LOG.warning("MLflow at %s cannot be used (%s). Training goes on without it.", uri, _brief(error))
        return NullTracker()


def flatten(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Leaves of nested mappings by dotted name, in characters that MLflow accepts."""
    for key, value in values.items():
        name = prefix + re.sub(r"[^\w\-. :/]", "_", str(key))
        if isinstance(value, Mapping):
            yield from flatten(value, name + ".")
        else:
            yield name, value


def finite(values: Mapping[str, object]) -> dict[str, float]:
    """The leaves that are finite numbers, by dotted name."""
    numbers = {name: float(value) for name, value in flatten(values) if value is not None}  # type: ignore[arg-type]
    return {name: number for name, number in numbers.items() if math.isfinite(number)}


def _batches(items: Sequence[Entity], size: int) -> Iterator[Sequence[Entity]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _brief(error: Exception) -> str:
    """The kind of error and the first line of what it says."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
