"""A step of the engine on invented batches and a toy network, without files of tiles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from saticl.engine.step import Step
from saticl.methods.base import Method
from saticl.methods.criterion import build_criterion
from saticl.options import CEOptions, KDOptions, OptimizerOptions, SchedulerOptions, TrainerOptions
from saticl.runs.journal import Epoch, Journal
from saticl.tasks import Protocol, Task
from saticl.types import Batch
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c"), Protocol("toy", (("a", "b"), ("c",))), 0)


class Batches:
    """A loader of a few random batches of two images, the same for an epoch whenever it is asked for."""

    def __init__(self, number: int, task: Task = TASK) -> None:
        self.batch_size = 2
        self._number, self._task, self._epoch = number, task, 0

    def go_to(self, epoch: int, first: int = 0) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(100 + self._epoch)
        labels = torch.tensor([0, *range(self._task.num_old, self._task.num_seen)])
        for _ in range(self._number):
            image = torch.randn(2, 3, 8, 8, generator=generator)
            drawn = torch.randint(len(labels), (2, 8, 8), generator=generator)
            yield Batch(image, labels[drawn].to(torch.uint8))


def make_method(kind: type[Method] = Method, task: Task = TASK) -> Method:
    """A method with the plain criterion."""
    return kind(task, build_criterion(CEOptions()), KDOptions())


def make_step(folder: Path, method: Method, iterations: int = 3, **changes: Any) -> Step:
    """A step 0 in float32; `changes` are fields of Step."""
    torch.manual_seed(0)
    parts = {
        "task": method.task,
        "options": TrainerOptions(channels_last=False, max_epochs=2),
        "optimizer": OptimizerOptions(target="sgd", lr=0.1, momentum=0.0, weight_decay=0.0),
        "scheduler": SchedulerOptions(target="constant"),
        "seed": 0,
        "folder": folder,
        "accelerator": Accelerator(cpu=True),
        "student": ToySegmenter(method.task.head_sizes),
        "teacher": None,
        "method": method,
        "normalize": nn.Identity(),
        "training": Batches(iterations, method.task),
        "validation": Batches(1, method.task),
        "targets": None,
        "journal": Journal(folder / "journal.jsonl"),
    }
    return Step(**(parts | changes))


def ignore(epoch: Epoch) -> None:
    """An OnEpoch that does nothing."""
