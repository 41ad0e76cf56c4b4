"""Run folders without any training: what a step leaves, as far as nothing asks for its weights."""

from pathlib import Path

import numpy as np
import yaml
from safetensors.numpy import save_file

from saticl.options import ModelOptions
from saticl.runs.folder import JOURNAL_FILE, MODEL_FILE, step_folder
from saticl.runs.journal import Costs, Epoch, Journal
from saticl.runs.step import KEY, StepInfo
from saticl.runs.trained import CONFIG_FILE

CLASSES = ("building", "tree", "car")
COLOURS = ((0, 0, 255), (0, 255, 0), (255, 255, 0))

OPTIONS: dict[str, object] = {
    "data_root": "tiles",
    "method": "ft",
    "name": None,
    "seed": 1,
    "output_folder": "outputs",
    "task": {"name": "21", "step": 0, "step_checkpoint": None},
    "trainer": {"max_epochs": 2, "num_workers": 0, "resume": False},
    "optimizer": {"lr": 0.001},
}


def info(step: int = 0, **changes: object) -> StepInfo:
    """Of a protocol of two steps: two classes, then one."""
    facts: dict[str, object] = {
        "version": "0",
        "dataset": "town",
        "classes": CLASSES,
        "colours": COLOURS,
        "protocol_name": "21",
        "groups": (CLASSES[:2], CLASSES[2:]),
        "background": None,
        "step": step,
        "method": "ft",
        "model": ModelOptions(encoder="test_resnet"),
        "bands": ("red", "green", "blue"),
        "mean": (100.0, 100.0, 100.0),
        "std": (50.0, 50.0, 50.0),
        "image_size": 64,
        "precision": "no",
    }
    return StepInfo.model_validate({**facts, **changes})


def epoch(number: int = 1, seconds: float = 1.0, memory: float = 100.0, iterations: int = 2) -> Epoch:
    """An epoch without a validation."""
    costs = Costs(images_per_s=1.0, seconds=seconds, iterations=iterations, peak_memory_mb=memory)
    return Epoch(epoch=number, loss=1.0, lr=0.001, terms={"ce": 1.0}, costs=costs)


def write_step(run: Path, about: StepInfo, epochs: tuple[Epoch, ...] = (), **options: object) -> Path:
    """A finished step; sections among the options change what they name."""
    folder = step_folder(run, about.step)
    folder.mkdir(parents=True, exist_ok=True)
    tree = dict(OPTIONS)
    for name, value in options.items():
        before = tree.get(name)
        tree[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    (folder / CONFIG_FILE).write_text(yaml.safe_dump(tree), encoding="utf-8")
    journal = Journal(folder / JOURNAL_FILE)
    for one in epochs:
        journal.write_epoch(one)
    save_file({"weight": np.zeros(1)}, folder / MODEL_FILE, {KEY: about.model_dump_json()})
    return folder


def write_run(run: Path, steps: int = 2, about: dict[str, object] | None = None, **options: object) -> Path:
    """A run of finished steps, all with the same options."""
    for step in range(steps):
        write_step(run, info(step, **(about or {})), **options)
    return run
