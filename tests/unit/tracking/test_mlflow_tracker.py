"""MLflow mirrors a run in a file of its own, and none of its failures reaches the training."""

import logging
import os
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from saticl.options import TrackingOptions
from saticl.tracking import mlflow_runs
from saticl.tracking.mlflow_tracker import LARGEST_TEXT, NullTracker, Tracker, finite, flatten, open_tracker


@pytest.fixture(scope="module")
def output_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests of the module: making its tables takes seconds."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No address from outside, and a current directory in which strays would be seen."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)


def opened(folder: Path, name: str, step: int = 0, uri: str | None = None) -> Tracker:
    tracker = open_tracker(TrackingOptions(uri=uri), folder, folder / "potsdam" / "6s" / name, step)
    assert isinstance(tracker, Tracker)
    return tracker


def test_a_step_leaves_parameters_metrics_and_artifacts_beside_the_runs(output_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "curves.png").write_bytes(b"png")
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    tracker = opened(output_folder, "whole")
    tracker.params({"seed": 1, "task": {"name": "6s", "step": 0}, "long": "x" * (LARGEST_TEXT + 1)})
    tracker.metrics({"loss": np.float32(0.5), "val": {"miou": float("nan"), "f1": 0.25, "none": None}}, 3)
    tracker.artifact(tmp_path / "figures")
    tracker.artifact(tmp_path / "config.yaml", "options")
    tracker.close()

    run = tracker._client.get_run(tracker._child)

    assert run.info.status == "FINISHED"
    assert {"seed": "1", "task.name": "6s", "task.step": "0"}.items() <= run.data.params.items()
    assert run.data.metrics == {"loss": 0.5, "val.f1": 0.25}
    assert [metric.step for metric in tracker._client.get_metric_history(tracker._child, "loss")] == [3]
    artifacts = output_folder / "mlflow-artifacts" / tracker._child / "artifacts"
    assert (artifacts / "figures" / "curves.png").read_bytes() == b"png"
    assert (artifacts / "options" / "config.yaml").is_file()
    assert (output_folder / "mlflow.db").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "figures"]


def test_steps_of_one_run_share_a_parent_named_like_its_folder(output_folder: Path) -> None:
    first, second = opened(output_folder, 'it\'s "mine"', 0), opened(output_folder, 'it\'s "mine"', 1)

    assert first._parent == second._parent
    assert first._child != second._child
    parent, child = (second._client.get_run(run) for run in (second._parent, second._child))
    assert parent.info.run_name == 'it\'s "mine"'
    assert child.info.run_name == 'it\'s "mine" step 1'
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert second._client.get_experiment(child.info.experiment_id).name == "potsdam/6s"


def test_a_resumed_step_continues_its_run_and_keeps_its_first_parameters(output_folder: Path) -> None:
    first = opened(output_folder, "resumed")
    first.params({"max_epochs": 10})
    first.metrics({"loss": 1.0}, 1)
    first.close("KILLED")

    again = opened(output_folder, "resumed")
    assert again._client.get_run(again._child).info.status == "RUNNING"
    again.params({"max_epochs": 20, "resume": True})
    again.metrics({"loss": 0.5}, 2)
    again.close()

    assert again._child == first._child
    assert again._client.get_run(again._child).data.params == {"max_epochs": "10", "resume": "True"}
    assert [metric.value for metric in again._client.get_metric_history(again._child, "loss")] == [1.0, 0.5]


def test_nothing_global_changes_while_a_step_is_recorded_or_after(tmp_path: Path) -> None:
    """MLflow's own functions would write addresses to the environment, and remember which run is active."""
    import mlflow

    def surroundings() -> tuple[object, ...]:
        others = {name: value for name, value in os.environ.items() if name not in mlflow_runs.SETTINGS}
        return others, mlflow.get_tracking_uri(), mlflow.active_run()

    before = surroundings()

    tracker = opened(tmp_path, "global")
    tracker.params({"seed": 1})
    tracker.metrics({"loss": 1.0}, 1)

    assert surroundings() == before
    tracker.close("FAILED")
    assert surroundings() == before
    assert tracker._client.get_run(tracker._child).info.status == "FAILED"


def test_a_user_s_own_active_run_is_left_alone(output_folder: Path, tmp_path: Path) -> None:
    import mlflow

    address = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'own.db'}")
    try:
        with mlflow.start_run() as own:
            tracker = opened(output_folder, "beside", uri=f"sqlite:///{output_folder / 'mlflow.db'}")
            tracker.metrics({"loss": 1.0}, 1)
            tracker.close()

            assert mlflow.active_run().info.run_id == own.info.run_id
            assert mlflow.get_run(own.info.run_id).data.metrics == {}
        assert tracker._client.get_run(tracker._child).data.metrics == {"loss": 1.0}
    finally:
        mlflow.set_tracking_uri(address)
        os.environ.pop("MLFLOW_TRACKING_URI", None)


def test_steps_recorded_at_once_and_from_any_thread_stay_apart(output_folder: Path) -> None:
    first, second = opened(output_folder, "apart", 0), opened(output_folder, "apart", 1)

    threads = [Thread(target=tracker.metrics, args=({"loss": loss}, 1)) for tracker, loss in ((first, 1), (second, 2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first.close()
    second.metrics({"f1": 0.5}, 1)

    assert first._client.get_run(first._child).data.metrics == {"loss": 1}
    assert second._client.get_run(second._child).data.metrics == {"loss": 2, "f1": 0.5}


def test_runs_of_other_names_are_other_runs(output_folder: Path) -> None:
    assert opened(output_folder, "a")._parent != opened(output_folder, "b")._parent


def test_the_environment_chooses_the_store_unless_the_options_do(
    output_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{output_folder / 'mlflow.db'}")

    from_environment = opened(tmp_path / "elsewhere", "environment")
    off = open_tracker(TrackingOptions(uri="none"), tmp_path, tmp_path / "a" / "b", 0)

    assert from_environment._client.tracking_uri.endswith(f"{output_folder / 'mlflow.db'}")
    assert type(off) is NullTracker


def test_tracking_that_is_off_writes_nothing(tmp_path: Path) -> None:
    run = tmp_path / "potsdam" / "6s" / "off"

    for tracker in (
        open_tracker(TrackingOptions(uri="none"), tmp_path, run, 0),
        open_tracker(TrackingOptions(), tmp_path, run, 0, enabled=False),
    ):
        tracker.params({"a": 1})
        tracker.metrics({"b": 1.0}, 1)
        tracker.artifact(tmp_path / "missing")
        tracker.close("FAILED")

    assert not list(tmp_path.iterdir())


def test_a_store_that_cannot_be_opened_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")

    tracker = open_tracker(
        TrackingOptions(uri=f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}"), tmp_path, tmp_path / "a" / "b", 0
    )

    assert type(tracker) is NullTracker
    assert ["Training goes on without it" in record.message for record in caplog.records] == [True]


def test_failures_while_training_are_told_once(
    output_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = opened(output_folder, "failing")

    for _ in range(2):
        tracker.artifact(tmp_path / "missing.png")
    tracker.metrics({"not a number": "abc"}, 1)
    tracker.metrics({"loss": 1.0}, 1)

    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "missing.png" in warnings[0].message


def test_a_tracker_gives_up_after_three_failures_in_a_row(output_folder: Path, tmp_path: Path) -> None:
    tracker = opened(output_folder, "hopeless")

    for _ in range(3):
        tracker.artifact(tmp_path / "missing.png")
    tracker.metrics({"loss": 1.0}, 1)

    assert tracker._client.get_run(tracker._child).data.metrics == {}


def test_failures_with_successes_in_between_do_not_end_tracking(output_folder: Path, tmp_path: Path) -> None:
    tracker = opened(output_folder, "now and then")

    for epoch in range(1, 5):
        tracker.artifact(tmp_path / "missing.png")
        tracker.metrics({"loss": 1.0}, epoch)

    assert len(tracker._client.get_metric_history(tracker._child, "loss")) == 4


def test_making_the_store_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    client = None
    with mlflow_runs.quiet():
        client = mlflow_runs.connect(f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}")

    assert client is not None
    assert capfd.readouterr() == ("", "")


def test_nested_values_get_dotted_names_that_mlflow_accepts() -> None:
    assert dict(flatten({"a": {"b": 1, "c": {"d": "x"}}, "rate (%)": 2})) == {"a.b": 1, "a.c.d": "x", "rate ___": 2}


def test_only_finite_numbers_are_metrics() -> None:
    assert finite({"a": 1, "b": float("inf"), "c": None, "d": {"e": np.float64(0.5)}}) == {"a": 1.0, "d.e": 0.5}
