"""Stretches of a step: what is trained in each, by which optimiser, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from saticl.errors import InvalidOptions
from saticl.options import OptimizerOptions, SchedulerOptions


@dataclass(frozen=True)
class Phase:
    """One stretch of a step. It ends with its best weights, from which the next phase starts.

    What is None is what the user has chosen for the whole step.

    Raises:
        InvalidOptions: a budget of nothing, which has no best weights.
    """

    name: str = "train"
    max_epochs: int | None = None
    max_iterations: int | None = None
    optimizer: OptimizerOptions | None = None
    scheduler: SchedulerOptions | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    """Factors on the learning rate by the beginning of a parameter's name, such as `student.classifier.` or `method.`;
    of several that fit, the longest counts, and 0 freezes. Parameters without a factor have 1."""

    def __post_init__(self) -> None:
        if self.max_epochs == 0 or self.max_iterations == 0:
            raise InvalidOptions(f"The phase {self.name!r} has no epochs or no iterations: leave it out.")

    def rate(self, parameter: str) -> float:
        """The factor of one parameter, named as in the learner: `student.` or `method.` and its own name."""
        fitting = [beginning for beginning in self.rates if parameter.startswith(beginning)]
        return self.rates[max(fitting, key=len)] if fitting else 1.0
