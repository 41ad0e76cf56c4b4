"""What EWC, PI and RW share: weights that mattered are tied to where the previous step left them.

    L = CE(z, y) + λ Σ_i Ω_i (θ_i - θ*_i)²

θ*: weights at the start of the step, Ω: their importance, fixed during the step; both for weights that the previous
model had, so never for the head of new classes. The gradient 2 λ Ω (θ - θ*) is added to that of the cross entropy
after the importance of the next step has been read from the latter, which saves a second backward pass.

Everything is kept by name of the parameter, on its device; no value is read back during training.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from saticl.errors import InvalidCheckpoint
from saticl.methods.base import Criterion, Method, Network
from saticl.methods.options import AnchorOptions
from saticl.options import KDOptions
from saticl.tasks import Task
from saticl.types import Batch, Scalar, Terms

Named = dict[str, Tensor]
"""Tensors by the dotted name of a parameter."""


class Anchored(Method):
    """Cross entropy, and a quadratic penalty that subclasses weigh by their idea of importance."""

    asks_teacher = False
    needs_own_base = True
    name: ClassVar[str]
    """Of the method, in the keys of its state."""
    kept: ClassVar[tuple[str, ...]]
    """Quantities of `memory` that the next step needs."""
    options: AnchorOptions

    def __init__(self, task: Task, criterion: Criterion, kd: KDOptions, options: AnchorOptions) -> None:
        super().__init__(task, criterion, kd, options)
        self.memory: dict[str, Named] = {}
        """By quantity and parameter."""

    @abstractmethod
    def importance(self) -> Named:
        """Ω, in new tensors, from what the previous step kept."""

    @abstractmethod
    def start(self, parameters: Named) -> None:
        """Prepare `memory` for the parameters of this step."""

    @abstractmethod
    def observe(self, parameters: Named, gradients: Named) -> None:
        """Learn from the clean gradients at these parameters, once per update and before it."""

    @torch.no_grad()
    def begin(self, student: nn.Module, teacher: Network | None, batches: Iterable[Batch]) -> None:
        """Take θ* and Ω, where there is a previous step."""
        parameters = {name: parameter.detach() for name, parameter in student.named_parameters()}
        self.memory = {quantity: laid_out_as(parameters, named) for quantity, named in self.memory.items()}
        if self.task.step > 0:
            importance = self.importance()
            self.memory["importance"] = importance
            self.memory["anchor"] = {name: parameters[name].clone() for name in importance}
        self.start(parameters)

    @torch.no_grad()
    def after_backward(self, student: nn.Module) -> Terms:
        """Observe, then add the penalty's gradient; returns the penalty."""
        trained = {name: parameter for name, parameter in student.named_parameters() if parameter.grad is not None}
        parameters = {name: parameter.detach() for name, parameter in trained.items()}
        gradients = {name: parameter.grad for name, parameter in trained.items() if parameter.grad is not None}
        self.observe(parameters, without_overflow(gradients))
        if "anchor" not in self.memory:
            return {}
        return {"penalty": self.pull(parameters, gradients)}

    def pull(self, parameters: Named, gradients: Named) -> Scalar:
        """λ Σ Ω (θ - θ*)², whose gradient is added to `gradients`."""
        names = [name for name in self.memory["anchor"] if name in gradients]
        if not names:  # the encoder and the old heads are all frozen
            return next(iter(gradients.values())).new_zeros(())
        moves = torch._foreach_sub(values(parameters, names), values(self.memory["anchor"], names))
        forces = torch._foreach_mul(values(self.memory["importance"], names), moves)
        torch._foreach_add_(values(gradients, names), forces, alpha=2 * self.options.factor)
        torch._foreach_mul_(forces, moves)
        return self.options.factor * torch.stack(torch._foreach_norm(forces, 1)).sum()

    def export_state(self) -> dict[str, Tensor]:
        """What the next step needs, under `<method>.<quantity>.<parameter>`."""
        return self._flat(self.kept)

    def import_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what the previous step kept; refuses nothing at all and the state of another method."""
        if not state:
            raise InvalidCheckpoint(
                f"The previous step left no state for {self.name}, which needs {' and '.join(self.kept)} of every "
                f"weight: train the steps before this one with --method {self.name}."
            )
        self._load(state)

    def running_state(self) -> dict[str, Tensor]:
        """Everything, to continue an interrupted step."""
        return self._flat(self.memory)

    def resume_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `running_state` gave."""
        self._load(state)

    def scaled(self, named: Named) -> Named:
        """Importance between 0 and 1."""
        return scaled_globally(named)

    def _flat(self, quantities: Iterable[str]) -> dict[str, Tensor]:
        return {
            f"{self.name}.{quantity}.{name}": tensor
            for quantity in quantities
            for name, tensor in self.memory.get(quantity, {}).items()
        }

    def _load(self, state: Mapping[str, Tensor]) -> None:
        if any(not key.startswith(f"{self.name}.") for key in state):
            super().import_state(state)  # refuses
        self.memory = {}
        for key, tensor in state.items():
            _, quantity, name = key.split(".", 2)
            self.memory.setdefault(quantity, {})[name] = tensor.clone()


def values(named: Named, names: Iterable[str]) -> list[Tensor]:
    """The tensors of these parameters, in their order."""
    return [named[name] for name in names]


def laid_out_as(parameters: Named, named: Named) -> Named:
    """The same values in the order and memory layout of the parameters: fused operations and sums depend on them."""
    return {
        name: torch.empty_like(parameter).copy_(named[name]) for name, parameter in parameters.items() if name in named
    }


def without_overflow(gradients: Named) -> Named:
    """All gradients, or zeros where one is not finite: half precision skips such an update, and so do we."""
    finite = torch.stack(torch._foreach_norm(list(gradients.values()))).isfinite().all()
    return {name: gradient.where(finite, 0) for name, gradient in gradients.items()}


def scaled_globally(named: Named) -> Named:
    """From 0, the smallest of all values, to 1, the largest; all 0 where they are equal."""
    low = torch.stack([tensor.min() for tensor in named.values()]).min()
    high = torch.stack([tensor.max() for tensor in named.values()]).max()
    span = (high - low).where(high > low, 1)
    return {name: (tensor - low) / span for name, tensor in named.items()}


def scaled_per_tensor(named: Named) -> Named:
    """From 0 to almost 1 within each tensor, as in the published runs, whose 1e-8 frees tensors of small values."""
    return {name: (tensor - tensor.min()) / (tensor.max() - tensor.min() + 1e-8) for name, tensor in named.items()}
