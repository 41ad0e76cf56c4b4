"""Where an unfinished step stands: enough to continue it to the same weights as if it had never stopped."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True)
class Begun:
    """What is over of an epoch that is not."""

    iterations: int = 0
    seconds: float = 0.0
    sums: Mapping[str, float] = field(default_factory=dict)
    """Of the terms of the loss."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Iterations that had each term."""


@dataclass
class Progress:
    """Counters of one step. Randomness needs none: every iteration has a seed of its own."""

    epoch: int = 0
    """Epochs finished, over all phases."""
    iteration: int = 0
    """Iterations finished, over all epochs of all phases, that under way among them."""
    best_score: float = float("-inf")
    """Of this phase, like all that follows."""
    best_epoch: int = -1
    """Epoch of the best validation, counted from 1; -1 before the first one."""
    stalled: int = 0
    """Validations since the best one."""
    phase: int = 0
    """Number of the phase."""
    first_epoch: int = 0
    """Epochs finished before the phase."""
    first_iteration: int = 0
    """Iterations finished before the phase."""
    begun: Begun = field(default_factory=Begun)
    """The epoch that follows those that are finished, where it has begun."""

    @property
    def phase_epochs(self) -> int:
        """Epochs finished in this phase."""
        return self.epoch - self.first_epoch

    @property
    def phase_iterations(self) -> int:
        """Iterations finished in this phase."""
        return self.iteration - self.first_iteration

    def next_phase(self) -> "Progress":
        """The start of the phase that follows."""
        return Progress(
            self.epoch, self.iteration, phase=self.phase + 1, first_epoch=self.epoch, first_iteration=self.iteration
        )

    def observe(self, score: float) -> bool:
        """Take note of a validation after `epoch` epochs; whether it is the best so far. NaN never is."""
        if score > self.best_score:
            self.best_score, self.best_epoch, self.stalled = score, self.epoch, 0
            return True
        self.stalled += 1
        return False

    def to_dict(self) -> dict[str, object]:
        """Plain values for saving."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        begun = Begun(**{each.name: values["begun"][each.name] for each in fields(Begun)})
        return cls(**{each.name: values[each.name] for each in fields(cls) if each.name != "begun"}, begun=begun)
