"""Training of every method on invented batches, by one process or by several: started by tests/e2e/test_processes.py.

python -m tests.processes OUT KIND: each process takes its part of every batch of four; the main one writes the losses
of every iteration and the weights at the end. KIND is `distinct` (four images, some of them hardly labelled),
`repeated` (one image, four times, for networks with batch norm), `losses`: the value and the gradient of every loss on
parts of a few batches, `owned`: a method with a parameter of its own, `grown`: each process writes what `begin` sees
of a student that grew by what its own part of a batch holds, `solved`: each process writes the heads that it has
solved for, or `statistics`: each process writes what it would validate after an epoch in which its batch norm saw
other images than the other's.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from unittest.mock import patch

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from saticl.engine import fit, seed
from saticl.engine.checkpoint import save_tensors
from saticl.engine.device import leave_together
from saticl.engine.episode import device_batches, train_epoch, validate
from saticl.engine.learner import Learner, only_trained
from saticl.engine.state import Progress
from saticl.engine.step import Step
from saticl.labels import IGNORE
from saticl.losses import one_batch
from saticl.methods import METHODS, MethodSpec, find
from saticl.methods.base import Method, Network
from saticl.methods.phases import Phase
from saticl.methods.rotation import Rotated
from saticl.options import AugOptions, OptimizerOptions, SchedulerOptions, TrainerOptions
from saticl.runs.journal import Journal
from saticl.types import Batch, Labels, Output, Terms
from tests.contract.test_methods import TASK, build, networks, prepared
from tests.steps import ignore, make_method, make_step
from tests.strategies import StepCase, normal
from tests.unit.losses.test_promises import ALL

ITERATIONS, IMAGES = 3, 4


class Part:
    """This process's part of every batch."""

    def __init__(self, kind: str, rank: int, world: int) -> None:
        self.batch_size = IMAGES // world
        self._kind, self._first = kind, rank * self.batch_size

    def go_to(self, epoch: int, first: int = 0) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return ITERATIONS

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(self._epoch)
        for _ in range(ITERATIONS):
            images = torch.randn(IMAGES, 3, 16, 16, generator=generator)
            targets = torch.randint(0, 2, (IMAGES, 16, 16), generator=generator) * TASK.num_old
            targets[0, 4:], targets[1, :, 8:], targets[3, :12] = IGNORE, 0, 0
            if self._kind == "repeated":
                images, targets = images[:1].expand_as(images), targets[:1].expand_as(targets)
            mine = slice(self._first, self._first + self.batch_size)
            yield Batch(images[mine].contiguous(), targets[mine].to(torch.uint8))


def train(spec: MethodSpec, method: Method, accelerator: Accelerator, kind: str, folder: Path) -> None:
    """A few iterations of the second step, with rotation distillation."""
    student, teacher = networks(type(method), TASK)
    part = Part(kind, accelerator.process_index, accelerator.num_processes)
    step = Step(
        task=TASK,
        options=TrainerOptions(channels_last=False),
        optimizer=OptimizerOptions(target="sgd", lr=0.01),
        scheduler=SchedulerOptions(target="constant"),
        seed=0,
        folder=folder,
        accelerator=accelerator,
        student=student,
        teacher=teacher,
        method=Rotated(method, AugOptions(factor=0.1, factor_icl=0.1)),
        normalize=nn.Identity(),
        training=part,
        validation=None,
        targets=None,
        journal=Journal(folder / "journal.jsonl", enabled=False),
    )
    fit.grow(step)
    step.method.begin(student, teacher, device_batches(step, epoch=0))
    phase, learner = (step.method.phases() or [Phase()])[-1], Learner(student, step.method)
    with only_trained(learner, phase), patch.object(seed, "seed_everything", drawn_alike):
        epoch = train_epoch(fit.start(step, phase, learner), Progress(), epoch=1)
    if accelerator.is_main_process:
        (folder / f"{spec.name}.json").write_text(json.dumps({**epoch.terms, "loss": epoch.loss}))
        save_tensors(folder / f"{spec.name}.safetensors", dict(student.named_parameters()))


def drawn_alike(*parts: int) -> None:
    """What each process draws for itself, such as dropout, is the same here: only the iteration counts."""
    torch.manual_seed(parts[-1])


def validate_statistics(accelerator: Accelerator, folder: Path) -> None:
    """An epoch of a network with batch norm, then a validation; every process writes the statistics it had there."""
    rank, world = accelerator.process_index, accelerator.num_processes
    step = make_step(folder, make_method(task=TASK), accelerator=accelerator, training=Part("distinct", rank, world))
    step.student.body.decoder = nn.Sequential(nn.Conv2d(6, 5, 1), nn.BatchNorm2d(5))
    episode = fit.start(step, Phase(), Learner(step.student, step.method))
    train_epoch(episode, Progress(), epoch=1)
    save_tensors(folder / f"before-{rank}.safetensors", dict(step.student.named_buffers()))
    validate(episode, Progress(epoch=1))
    save_tensors(folder / f"validated-{rank}.safetensors", dict(step.student.named_buffers()))


def each_loss(accelerator: Accelerator, folder: Path) -> None:
    """Value and gradient of every loss on this process's part of some batches, as means over all processes."""
    found = {}
    for number in range(5):
        whole = a_case(number)
        per_process = len(whole.logits) // accelerator.num_processes
        mine = slice(accelerator.process_index * per_process, (accelerator.process_index + 1) * per_process)
        for name, loss in ALL.items():
            logits = whole.logits[mine].clone().requires_grad_()
            with one_batch():
                value = loss(
                    whole._replace(logits=logits, old_logits=whole.old_logits[mine], target=whole.target[mine])
                )
            value.backward()
            gradient = torch.zeros_like(whole.logits)
            gradient[mine] = logits.grad
            found[f"{name}-{number}"] = accelerator.reduce(value.detach()[None], reduction="mean")
            found[f"{name}-{number}-gradient"] = accelerator.reduce(gradient, reduction="mean")
    if accelerator.is_main_process:
        save_tensors(folder / "losses.safetensors", found)


def a_case(seed: int) -> StepCase:
    """A batch of which no two images have as many labelled pixels, nor the same classes."""
    random = torch.Generator().manual_seed(seed)
    target = torch.randint(5, (IMAGES, 3, 4), generator=random)
    target[0, 1:], target[1, :, 2:], target[3][target[3] == 4] = IGNORE, 0, IGNORE
    return StepCase(normal((IMAGES, 5, 3, 4), random), normal((IMAGES, 3, 3, 4), random), target, 3)


class Owns(Method):
    """A scale of the scores, learned with the student."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.scale = nn.Parameter(torch.ones(()))

    def initial(self, new: Output, target: Labels) -> Terms:
        return {"ce": self.criterion(new.logits * self.scale, target)}


def train_owned(accelerator: Accelerator, folder: Path) -> None:
    """An epoch of a method with a parameter of its own; the main process writes it and the student."""
    part = Part("distinct", accelerator.process_index, accelerator.num_processes)
    step = make_step(folder, make_method(Owns, TASK), accelerator=accelerator, training=part)
    learner = Learner(step.student, step.method)
    train_epoch(fit.start(step, Phase(), learner), Progress(), epoch=1)
    if accelerator.is_main_process:
        save_tensors(folder / "owned.safetensors", learner.state_dict())


class Grows(Method):
    """Starts a bias from the images that this process sees, and notes what `begin` finds."""

    found: Tensor

    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        with torch.no_grad():
            student.heads[-1].bias.fill_(next(iter(batches)).image.mean())  # type: ignore[index,union-attr,operator]

    def begin(self, student: nn.Module, teacher: Network | None, batches: Iterable[Batch]) -> None:
        self.found = student.heads[-1].bias.detach().clone()  # type: ignore[index,union-attr,operator]


def train_grown(accelerator: Accelerator, folder: Path) -> None:
    """A short step; every process writes what it began with."""
    rank = accelerator.process_index
    method, part = make_method(Grows, TASK), Part("distinct", rank, accelerator.num_processes)
    step = make_step(
        folder,
        method,
        accelerator=accelerator,
        training=part,
        options=TrainerOptions(channels_last=False, max_epochs=1),
        journal=Journal(folder / "journal.jsonl", enabled=accelerator.is_main_process),
    )
    fit.fit(step, ignore)
    save_tensors(folder / f"grown-{rank}.safetensors", {"bias": method.found})


def solve(accelerator: Accelerator, folder: Path) -> None:
    """A step of least squares; every process writes the student that it has then."""
    method, part = build(find("segacil")), Part("distinct", accelerator.process_index, accelerator.num_processes)
    step = make_step(folder, method, accelerator=accelerator, training=part, student=networks(type(method), TASK)[0])
    fit.fit(step, ignore)
    save_tensors(folder / f"solved-{accelerator.process_index}.safetensors", step.student.state_dict())


def main(out: str, kind: str) -> None:
    """Train with every method in turn."""
    torch.set_num_threads(1)
    ready = [(spec, prepared(spec)) for spec in METHODS]  # before processes know each other and add up what they count
    accelerator = Accelerator(cpu=True)
    (Path(out) / "processes").write_text(str(accelerator.num_processes))
    own = {"statistics": validate_statistics, "owned": train_owned, "grown": train_grown, "solved": solve}
    own["losses"] = each_loss
    if kind in own:
        own[kind](accelerator, Path(out))
    else:
        for spec, method in ready:
            train(spec, method, accelerator, kind, Path(out))
    leave_together(accelerator)


if __name__ == "__main__":
    main(*sys.argv[1:])
