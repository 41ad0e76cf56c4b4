"""The live objects of one step, wired once and handed around."""

from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from torch import Tensor, nn

from saticl.methods.base import Method
from saticl.models.teacher import Teacher
from saticl.options import OptimizerOptions, SchedulerOptions, TrainerOptions
from saticl.runs.journal import Journal
from saticl.tasks import Task
from saticl.tiles.loaders import EvaluationLoader, TrainingLoader


@dataclass(frozen=True)
class Step:
    """The live objects of one step, wired by `commands/assembly.py`."""

    task: Task
    options: TrainerOptions
    optimizer: OptimizerOptions
    scheduler: SchedulerOptions
    seed: int
    folder: Path
    accelerator: Accelerator
    student: nn.Module
    """On the device of this process."""
    teacher: Teacher | None
    method: Method
    normalize: nn.Module
    training: TrainingLoader
    validation: EvaluationLoader
    targets: list[Tensor] | None
    """Validation labels with the teacher's old classes; None: those of the loader (step 0)."""
    journal: Journal

    @property
    def last(self) -> Path:
        """The file from which an interrupted step continues."""
        return self.folder / "last" / "state.pt"

    def best(self, phase: int) -> Path:
        """The file of a phase's best weights."""
        return self.folder / "last" / f"best-{phase}.safetensors"
