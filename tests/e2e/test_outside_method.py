"""A method from outside the repository: grows a module, trains in two phases, fuses weights, survives a kill."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

REPOSITORY = Path(__file__).resolve().parents[2]

SOURCE = '''
"""Adapters: a 1x1 convolution beside the decoder's map, folded into the heads when a step ends."""

import os
import signal

import torch
import torch.nn.functional as F
from torch import nn

from saticl.methods.base import Method
from saticl.methods.phases import Phase


class FoldedAdapter(Method):
    """An adapter learns first, then everything; at the end it becomes part of the heads."""

    defaults = {"kd.decoder_factor": 2.0}
    reads = frozenset({"kd.decoder_factor"})

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.moves = 0

    @classmethod
    def rebuild(cls, student, task):
        width = student.heads[0].in_channels
        student.adapter = nn.Conv2d(width, width, 1)

    def grow(self, student, teacher, batches):
        if not hasattr(student, "adapter"):
            self.rebuild(student, self.task)
        for parameter in student.adapter.parameters():
            nn.init.zeros_(parameter)
        student.adapter.to(next(student.parameters()).device)

    def phases(self):
        alone = {"": 0.0, "student.adapter": 1.0, "method.": 1.0}
        return Phase("adapter", max_epochs=2, rates=alone), Phase("all", max_epochs=1)

    def terms(self, batch, student, teacher, generator):
        pixels = student(batch.image).pixels
        coarse = student.classify(pixels + self.scale * student.adapter(pixels))
        logits = F.interpolate(coarse, batch.target.shape[-2:], mode="bilinear")
        found = {"ce": self.criterion(logits, batch.target, self.task.num_old)}
        if teacher is not None:
            found["keep"] = self.kd.decoder_factor * (pixels - teacher(batch.image).pixels).square().mean()
        return found

    def after_step(self, student):
        self.moves += 1
        if self.moves == int(os.environ.get("KILL_AT_MOVE", -1)) and self.task.step == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    @torch.no_grad()
    def consolidate(self, student, teacher, batches):
        adapter = student.adapter
        fold = self.scale * adapter.weight[..., 0, 0]
        for head in student.heads:
            rows = head.weight[..., 0, 0]
            head.bias += rows @ (self.scale * adapter.bias)
            head.weight[..., 0, 0] = rows + rows @ fold
        for parameter in adapter.parameters():
            parameter.zero_()
        if teacher is not None:
            before = dict(teacher.segmenter.named_parameters())
            for name, parameter in student.named_parameters():
                if name in before and before[name].shape == parameter.shape:
                    parameter.lerp_(before[name], 0.5)
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "adapters.py").write_text(SOURCE)
    return tmp_path / "elsewhere"


def run(package: Path, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "run.py", *map(str, words)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def train(
    package: Path, tiles: Path, output: Path, *more: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return run(
        package, "train", "--data-root", tiles, "--output-folder", output, "--method", "adapters:FoldedAdapter",
        "--task.name=222a", "--task.step=all", "--model.encoder=test_resnet", "--trainer.batch-size=4",
        "--trainer.num-workers=0", "--tracking.uri=none", "--val-size=0.3", *more, **environment,
    )  # fmt: skip


@pytest.mark.slow
def test_it_trains_is_killed_between_its_phases_and_ends_with_the_same_weights(
    package: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    whole = train(package, tiny_tiles, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr[-2000:]
    folder = tmp_path / "whole/potsdam/222a/folded-adapter"
    events = [json.loads(line) for line in (folder / "step-1" / "journal.jsonl").read_text().splitlines()]
    epochs = [event for event in events if event["event"] == "epoch"]
    moves_of_first_phase = sum(int(event["costs"]["iterations"]) for event in epochs[:2])

    killed = train(package, tiny_tiles, tmp_path / "killed", KILL_AT_MOVE=str(moves_of_first_phase + 1))
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "killed/potsdam/222a/folded-adapter/step-1/last/state.pt").is_file()
    resumed = train(package, tiny_tiles, tmp_path / "killed", "--trainer.resume")
    assert resumed.returncode == 0, resumed.stderr[-2000:]

    for step in range(3):
        ours, theirs = (
            load_file(tmp_path / name / f"potsdam/222a/folded-adapter/step-{step}/model.safetensors")
            for name in ("whole", "killed")
        )
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
        assert ours["adapter.weight"].abs().sum() == 0
    assert len(epochs) == 3

    scored = run(package, "test", "--run", folder, "--task.step=all", "--num-workers=0", "--panels=0")
    assert scored.returncode == 0, scored.stderr[-2000:]

    lost = run(tmp_path / "empty", "test", "--run", folder, "--num-workers=0")
    assert lost.returncode == 2
    assert "adapters:FoldedAdapter, which cannot be imported" in " ".join(lost.stderr.split())
    assert "Traceback" not in lost.stderr


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere:Thing", "--method nowhere:Thing cannot be imported"),
        ("adapters:Nothing", "--method adapters:Nothing cannot be imported"),
        ("adapters:nn", "--method adapters:nn is not a subclass of saticl.methods.base.Method"),
    ],
)
def test_what_is_no_method_is_refused(name: str, sentence: str, package: Path, tiny_tiles: Path) -> None:
    result = run(package, "train", "--data-root", tiny_tiles, "--method", name)

    assert result.returncode == 2
    assert sentence in " ".join(result.stderr.split())


def test_options_it_does_not_read_are_refused_and_its_defaults_hold(package: Path, tiny_tiles: Path) -> None:
    words = ["train", "--data-root", tiny_tiles, "--method", "adapters:FoldedAdapter"]

    printed = run(package, *words, "--print-config")
    refused = run(package, *words, "--kd.encoder-factor=3")

    assert "decoder_factor: 2.0" in printed.stdout
    assert refused.returncode == 2
    assert "has no effect on the method folded-adapter" in " ".join(refused.stderr.split())
