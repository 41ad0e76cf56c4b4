"""`compare` from tiles to the table: real trainings, real processes, a real cluster."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas
import pytest
from typer.testing import CliRunner

from saticl import cli
from saticl.commands.children import Children
from saticl.runs.compared import read_comparison

REPOSITORY = Path(__file__).resolve().parents[2]

SMALL = ("--", "--model.encoder=test_resnet", "--trainer.batch-size=4", "--trainer.num-workers=0",
         "--trainer.max-iterations=1", "--val-size=0.3")  # fmt: skip


def words(tiles: Path, dst: Path, *more: str) -> list[str]:
    return ["compare", f"--data-root={tiles}", f"--dst={dst}", *more, *SMALL]


def in_this_process(
    _self: Children, command: Sequence[str], log: Path, _environment: Mapping[str, str] | None = None
) -> int:
    """As a child would, but without loading all libraries again."""
    log.parent.mkdir(parents=True, exist_ok=True)
    result = cli.app(list(command), standalone_mode=False)
    log.write_text(f"{command} {result}")
    return int(result or 0)


@pytest.mark.slow
def test_two_methods_with_two_seeds_become_one_table(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Children, "call", in_this_process)
    command = words(tiny_tiles, tmp_path, "--task=4-1", "--method=ft,mib", "--seeds=1,2", "--share-base")

    result = CliRunner().invoke(cli.app, command)

    assert result.exit_code == 0, result.output
    record = read_comparison(tmp_path)
    assert [(run.variant, run.seed, run.status) for run in record.runs] == [
        (method, seed, "finished") for seed in (1, 2) for method in ("ft", "mib")
    ]
    for row in record.rows:
        for name in ("base", "added", "final", "harmonic", "forgetting"):
            runs = [run.numbers[name] for run in record.runs if run.variant == row.variant]
            assert row.values[name].mean == pytest.approx(sum(runs) / 2)
    steps = {run.variant: json.loads((Path(run.folder) / "steps-test.json").read_text()) for run in record.runs[:2]}
    first = [[row["iou"][0] for row in steps[method]["classes"]] for method in ("ft", "mib")]
    assert first[0] == first[1]  # one step 0
    table = pandas.read_csv(tmp_path / "compare.csv", dtype={"task": str})
    assert len(table) == 4 * (5 + 6)
    last = table[(table["variant"] == "mib") & (table["seed"] == 2) & (table["step"] == 1)]
    known = last[last["class_step"].notna()]["iou"]
    assert known.mean() == pytest.approx(record.runs[3].numbers["final"])
    assert min(record.runs[0].numbers[name] for name in ("train_seconds", "peak_memory_mb")) > 0


@pytest.mark.slow
@pytest.mark.usefixtures("listening")
def test_an_interrupt_ends_the_children_and_says_how_to_go_on(tiny_tiles: Path, tmp_path: Path) -> None:
    command = [*words(tiny_tiles, tmp_path, "--task=222a", "--method=ft"), "--trainer.max-epochs=5000"]
    command = [word for word in command if "max-iterations" not in word]
    log = tmp_path / "logs/222a/ft-s1337.log"

    process = subprocess.Popen(
        [sys.executable, "run.py", *command], cwd=REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        text=True, start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 240
    while not (log.is_file() and "epoch 1" in log.read_text()) and time.monotonic() < end:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 130
    assert errors == "Interrupted. The same command continues: finished runs are kept.\n"
    assert log.read_text().splitlines()[-1].startswith("Interrupted")
    assert (tmp_path / "runs/potsdam/222a/ft-s1337/step-0/last").is_dir()


@pytest.mark.slow
def test_the_worker_of_a_cluster_trains_the_runs(tiny_tiles: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="the package distributed is optional")

    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as local:
        address = f"--cluster={local.scheduler_address}"
        result = CliRunner().invoke(
            cli.app, words(tiny_tiles, tmp_path, "--task=offline", "--method=ft", "--seeds=1", address)
        )

    assert result.exit_code == 0, result.output
    assert "[1/1] offline/ft-s1 finished" in result.stdout
    assert {run.status for run in read_comparison(tmp_path).runs} == {"finished"}
