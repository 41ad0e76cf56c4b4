"""FT and UFT: learn the new labels and nothing else. The lower bounds of every table.

    FT    L = CE(z, y)
    UFT   L = CE with background := background and old classes (MiB, eq. 3)

Old and future classes are background in y, so FT learns that old objects are background and forgets them fast. UFT
forgets only because nothing keeps the old classes distinct. FT with the task `offline` is joint training.
"""

from saticl.methods.base import Method
from saticl.types import Labels, Logits, Output, Terms


class FineTuning(Method):
    """Cross entropy on the labels of the step; the upper bound when the task is `offline`."""

    asks_teacher = False


class UnbiasedFineTuning(Method):
    """Cross entropy in which background may be any old class; no distillation."""

    asks_teacher = False

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """The criterion on scores whose old classes are merged into background."""
        return {"ce": self.criterion(new.logits, target, self.task.num_old)}
