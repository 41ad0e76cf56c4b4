"""Where a step is recorded in MLflow: its experiment, the run of its name, and its own run within that."""

import hashlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

SQLITE = "sqlite:///"
RUN_TAG = "saticl.run"
"""Tag by which a run is found again, whatever process or step asks for it."""
SETTINGS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""What MLflow is told before it is imported, unless the user has told it otherwise."""


def connect(uri: str) -> "MlflowClient":
    """A client of the store at `uri`; a SQLite store and its folder are made where they are missing."""
    from mlflow import MlflowClient

    if uri.startswith(SQLITE):
        _database(uri).parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=uri)


def find_experiment(client: "MlflowClient", uri: str, name: str) -> str:
    """Its id, made where it is missing. Artifacts of a SQLite store go beside it, not to the current directory."""
    known = client.get_experiment_by_name(name)
    if known:
        return str(known.experiment_id)
    beside = (_database(uri).resolve().parent / "mlflow-artifacts").as_uri() if uri.startswith(SQLITE) else None
    return str(client.create_experiment(name, artifact_location=beside))


def find_runs(client: "MlflowClient", experiment: str, name: str, step: int) -> tuple[str, str]:
    """Ids of the run of that name and of the step's run within it, both running; made where they are missing."""
    parent = _find_run(client, experiment, key=name, title=name, tags={})
    tags = {"mlflow.parentRunId": parent}
    return parent, _find_run(client, experiment, key=f"{name}/step-{step}", title=f"{name} step {step}", tags=tags)


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow without telemetry, long retries, warnings about its own libraries, and news of every table it makes."""
    for variable, value in SETTINGS.items():
        os.environ.setdefault(variable, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow  # noqa: F401  sets the level of its logger, so it must come before ours

        loggers = [logging.getLogger(name) for name in ("alembic", "mlflow")]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _find_run(client: "MlflowClient", experiment: str, key: str, title: str, tags: Mapping[str, str]) -> str:
    mark = hashlib.sha256(key.encode()).hexdigest()[:16]  # a name may hold quotes, which a search cannot
    found: Sequence[Run] = client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{mark}'", max_results=1)
    if found:
        client.update_run(found[0].info.run_id, status="RUNNING")
        return str(found[0].info.run_id)
    return str(client.create_run(experiment, tags={RUN_TAG: mark, **tags}, run_name=title).info.run_id)


def _database(uri: str) -> Path:
    return Path(uri.removeprefix(SQLITE))
