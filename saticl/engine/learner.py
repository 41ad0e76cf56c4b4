"""Student and method as one module, and what several processes need of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import nn

from saticl.losses import one_batch
from saticl.methods.base import Method, Network
from saticl.methods.phases import Phase
from saticl.types import Batch, Terms


class Learner(nn.Module):
    """All that a step trains: one thing to distribute, clip, average, save and resume.

    Calling it gives the terms of a batch. Its parameters are named `student.` and `method.` and their own name.
    """

    def __init__(self, student: nn.Module, method: Method) -> None:
        super().__init__()
        self.student = student
        self.method = method

    def forward(self, batch: Batch, teacher: Network | None, generator: torch.Generator) -> Terms:
        """The method's terms: their mean over processes is that of the batch of all of them."""
        with one_batch():
            return self.method.terms(batch, self.student, teacher, generator)


@contextmanager
def only_trained(learner: Learner, phase: Phase) -> Iterator[None]:
    """Freeze, for the time of a phase, the parameters whose learning rate it sets to 0."""
    frozen = [parameter for name, parameter in learner.named_parameters() if phase.rate(name) == 0]
    resting = [parameter for parameter in frozen if parameter.requires_grad]
    for parameter in resting:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in resting:
            parameter.requires_grad_(True)


def agree_on_buffers(learner: Learner, accelerator: Accelerator) -> None:
    """Give all processes the first one's buffers.

    Statistics of batch norm are each process's own after the last iteration: without this, processes would validate
    slightly different networks, and none of them the one that is saved.
    """
    _agree(learner.buffers(), accelerator)


def agree_on_everything(learner: Learner, accelerator: Accelerator) -> None:
    """Give all processes the first one's parameters and buffers."""
    _agree(learner.parameters(), accelerator)
    _agree(learner.buffers(), accelerator)


@torch.no_grad()
def _agree(tensors: Iterator[torch.Tensor], accelerator: Accelerator) -> None:
    if accelerator.num_processes == 1:
        return
    for tensor in tensors:
        tensor.copy_(broadcast(tensor.detach().clone(), from_process=0))
