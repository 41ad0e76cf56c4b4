"""What SSUL and DFT share: after step 0 the body and the old heads stay as they are, and new heads learn.

Where a step brings no new class, nothing is frozen.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from torch import nn

from saticl.methods.base import Method
from saticl.methods.phases import Phase
from saticl.models.segmenter import Segmenter
from saticl.tasks import Task


class Frozen(Method):
    """Trains the head of the new classes alone, from step 1 on."""

    @property
    def is_frozen(self) -> bool:
        """Whether body and old heads are."""
        return self.task.step > 0 and bool(self.task.new)

    def phases(self) -> Sequence[Phase]:
        """One, in which the newest head learns and what `besides` names."""
        if not self.is_frozen:
            return super().phases()
        newest = f"student.classifier.heads.{number_of_heads(self.task) - 1}."
        return (Phase(rates={"": 0.0, newest: 1.0, **self.besides()}),)

    def besides(self) -> Mapping[str, float]:
        """What else learns: factors on the learning rate, as of `Phase.rates`."""
        return {}

    def resting(self, student: nn.Module) -> Iterable[nn.Module]:
        """The body: its batch norm counts no statistics while it is frozen."""
        body = cast(nn.Module, cast(Segmenter, student).body)
        return (body,) if self.is_frozen else ()


def number_of_heads(task: Task) -> int:
    """Heads of the student: one per step that brought classes."""
    return sum(size > 0 for size in task.head_sizes)
