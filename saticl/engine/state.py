"""Where an unfinished step stands: enough to continue it to the same weights as if it had never stopped."""

from dataclasses import asdict, dataclass, fields
from typing import Self


@dataclass
class Progress:
    """Counters of one step. Randomness needs none: every epoch has a seed of its own."""

    epoch: int = 0
    """Epochs finished, over all phases."""
    iteration: int = 0
    """Iterations finished, over all epochs of all phases."""
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
    def from_dict(cls, values: dict[str, object]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})  # type: ignore[arg-type]
