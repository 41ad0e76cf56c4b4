"""`prepare` on the workers of a scheduler: the bytes of one process, also where a worker dies."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from saticl.cli import app
from saticl.display.scene_bar import SceneBar

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    assert CliRunner().invoke(app, ["demo", f"--dst={folder}", "--scenes=4", "--size=256"]).exit_code == 0
    return folder


@pytest.fixture
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed", reason="the package distributed is optional")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local:
        yield local


def prepared(raw: Path, dst: Path, *words: str) -> dict[str, bytes]:
    """Everything that `prepare` leaves."""
    options = ["--dataset=potsdam", "--tile-size=64", "--allow-missing", f"--src={raw}", f"--dst={dst}", *words]
    result = CliRunner().invoke(app, ["prepare", *options])
    assert result.exit_code == 0, result.output
    return {str(path.relative_to(dst)): path.read_bytes() for path in dst.rglob("*") if path.is_file()}


def test_workers_leave_what_one_process_leaves(
    raw: Path, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths may be relative: the workers see them from the same folder."""
    here = prepared(raw, tmp_path / "here", "--jobs=1")
    monkeypatch.chdir(tmp_path)

    there = prepared(raw, Path("there"), f"--cluster={cluster.scheduler_address}")

    assert there == here
    assert len(there) > 50


def test_a_worker_that_dies_loses_nothing(
    raw: Path, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = prepared(raw, tmp_path / "here", "--jobs=1")
    killed: list[int] = []
    finished = SceneBar.finished

    def kill_one(bar: SceneBar, scene: str, tiles: int) -> None:
        if not killed:
            killed.append(next(iter(cluster.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)
        finished(bar, scene, tiles)

    monkeypatch.setattr(SceneBar, "finished", kill_one)
    there = prepared(raw, tmp_path / "there", f"--cluster={cluster.scheduler_address}")

    assert len(killed) == 1
    assert there == here


def test_a_folder_that_is_prepared_needs_no_scheduler(raw: Path, tmp_path: Path) -> None:
    before = prepared(raw, tmp_path / "tiles", "--jobs=1")

    assert prepared(raw, tmp_path / "tiles", "--cluster=tcp://127.0.0.1:9") == before
