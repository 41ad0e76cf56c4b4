"""Where an unfinished step stands: enough to continue it to the same weights as if it had never stopped."""

from dataclasses import asdict, dataclass, fields
from typing import Self


@dataclass
class Progress:
    """Counters of one step. Randomness needs none: every epoch has a seed of its own."""

    epoch: int = 0
    """Epochs finished."""
    iteration: int = 0
    """Iterations finished, over all epochs."""
    best_score: float = float("-inf")
    best_epoch: int = -1
    """Epoch of the best validation, counted from 1; -1 before the first one."""
    stalled: int = 0
    """Validations since the best one."""

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
