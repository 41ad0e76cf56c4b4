"""Aerial datasets from their official layout to a trained and scored step."""

import json
from pathlib import Path

import numpy as np
import pytest

from saticl import datasets
from saticl.runs.step import read_info
from tests.aerial_raw import RAW, WRITERS
from tests.e2e.test_training import SMALL, invoke


@pytest.mark.parametrize("dataset", WRITERS)
def test_a_dataset_is_prepared_learned_and_scored(tmp_path: Path, dataset: str) -> None:
    written = WRITERS[dataset](tmp_path / "raw")
    adapter = datasets.find(dataset)
    source = ("--src", tmp_path / "raw", "--dst", tmp_path / "tiles", "--dataset", dataset)
    learning = ("--trainer.max-iterations=2", "--task.name=offline", "--image-size=64")

    prepared, text = invoke("prepare", *source, "--tile-size=64", "--jobs=1")
    assert prepared == 0, text
    trained, text = invoke("train", "--data-root", tmp_path / "tiles", "--output-folder", tmp_path / "runs",
                           "--name=run", *SMALL, *learning)  # fmt: skip
    assert trained == 0, text
    run = tmp_path / "runs" / dataset / "offline/run"
    tested, text = invoke("test", "--run", run, "--task.step=0", "--num-workers=0", "--panels=0")
    assert tested == 0, text

    info = read_info(run / "step-0/model.safetensors")
    assert (info.bands, info.background) == (adapter.bands, adapter.background)
    scores = json.loads((run / "step-0/scores.json").read_text())["test"]
    truth = [one.raw for one in written.values() if one.split == "test"]
    ignoring = [value for value, (name, _) in RAW[dataset].items() if name == "ignored"]
    ignored = sum(int(np.isin(raw, ignoring).sum()) for raw in truth)
    assert sum(row["support"] for row in scores["classes"]) == sum(raw.size for raw in truth) - ignored
