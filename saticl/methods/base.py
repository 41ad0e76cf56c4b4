"""What a step of the protocol minimises.

A method names its terms; the engine sums them, optimises, distributes and saves. Per iteration the engine calls

    initial(new, target)                          at step 0
    supervision(new, old_logits, target)          later: what the labels of this step say
    distillation(new, old, target)                later: what the previous model says

and, where a method needs more than outputs: `begin` before the first epoch, `after_backward` once gradients are there,
`end` after the last epoch, `export_state`/`import_state` for what the next step must know, and `running_state`/
`resume_state` for what an interrupted step must. The engine places states on the device. Rotation distillation wraps
any method (`rotation.py`), which is why labels and distillation are separate: the labels also see the turned image.

A method never optimises, moves devices, logs or opens files.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Protocol

from torch import Tensor, nn

from saticl.errors import InvalidCheckpoint
from saticl.options import FrozenOptions, KDOptions
from saticl.tasks import Task
from saticl.types import Batch, Image, Labels, Logits, Output, Scalar, Terms

Network = Callable[[Image], Output]
"""The student as the engine prepared it (distributed, autocast), or the teacher."""


class Criterion(Protocol):
    """The supervised loss: plain with `num_old` 1, else with the first `num_old` outputs merged into background."""

    def __call__(self, logits: Logits, target: Labels, num_old: int = 1) -> Scalar:
        """Loss of scores [B, K, H, W] against labels [B, H, W]."""
        ...


class Method(nn.Module):
    """Base of all methods: fine-tuning with the given criterion; override what differs."""

    asks_teacher: ClassVar[bool] = True
    """Whether the terms look at the previous model. Where not, it is never run for them: `old_logits` is empty, and
    `distillation` is not called."""

    def __init__(self, task: Task, criterion: Criterion, kd: KDOptions, options: FrozenOptions | None = None) -> None:
        super().__init__()
        self.task = task
        self.criterion = criterion
        self.kd = kd
        self.options = options

    def initial(self, new: Output, target: Labels) -> Terms:
        """Terms of step 0, where there is no previous model."""
        return {"ce": self.criterion(new.logits, target)}

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """Terms that need labels: `target` holds new classes, background (which hides old ones) and IGNORE."""
        return {"ce": self.criterion(new.logits, target)}

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """Terms that compare with the previous model on the same image."""
        return {}

    @classmethod
    def decode(cls, output: Output) -> Tensor:
        """Probabilities [B, K, H, W] from what the network gives; a pixel's class is that of the largest.

        Used wherever a trained step is scored or applied, so it may look at nothing but the output.
        """
        return output.logits.softmax(1)

    def begin(self, student: nn.Module, teacher: Network | None, batches: Iterable[Batch]) -> None:
        """Called once before the first epoch, with one pass over the training batches on offer."""

    def after_backward(self, student: nn.Module) -> Terms:
        """Called when the gradients of the terms are there: may read and edit them; returns values to log."""
        return {}

    def end(self, student: nn.Module) -> None:
        """Called once after the last epoch."""

    def export_state(self) -> dict[str, Tensor]:
        """Tensors that the next step needs."""
        return {}

    def import_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `export_state` gave; refuses the state of another method."""
        if state:
            raise InvalidCheckpoint(
                f"The previous step holds state ({', '.join(sorted(state)[:3])}, ...) that {type(self).__name__} does "
                "not know: it was trained with another method. Use the same --method for every step."
            )

    def running_state(self) -> dict[str, Tensor]:
        """Tensors from which an interrupted step continues after an epoch, where `begin` is not called again."""
        return self.export_state()

    def resume_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `running_state` gave, on the device of the method."""
        self.import_state(state)


def plain_terms(method: Method, batch: Batch, student: Network, teacher: Network | None) -> Terms:
    """All terms of one iteration, without rotation distillation."""
    new = student(batch.image)
    if teacher is None:
        return method.initial(new, batch.target)
    if not method.asks_teacher:
        return method.supervision(new, no_logits(new), batch.target)
    old = teacher(batch.image)
    return {
        **method.supervision(new, old.logits, batch.target),
        **method.distillation(new, old, batch.target),
    }


def no_logits(new: Output) -> Logits:
    """What `supervision` gets in place of the teacher's scores where nobody asked the teacher."""
    return new.logits.new_empty(0)
