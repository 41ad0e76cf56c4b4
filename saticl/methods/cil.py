"""CIL: labels teach the new classes, the previous model teaches all other pixels.

M. Klingner, A. Bär, P. Donn, T. Fingscheidt: Class-Incremental Learning for Semantic Segmentation Re-Using Neither Old
Data Nor Old Labels, ITSC 2020, arXiv:2005.06050.

    L = CE(z, y) over pixels labelled with a class: of this step, or an old one where it is labelled
      + λ T² mean_i -w_i Σ_{k old} p_i(k) log q_i(k) over all other pixels         `unlabelled_distillation`
    w_i = 1 + λ_GS H(p_i), entropy in bits

p, q: softmax of teacher and student at temperature T, the student's over all classes. Step 0 is plain cross entropy.

Deviation: the paper has no background and leaves unknown pixels unlabelled; here the background of a later step, which
hides old classes, is what is unlabelled, and at step 0 background is a class. Deviation: the student continues from
the previous model; in the published code every step trains a network from ImageNet weights.
"""

from saticl.labels import BACKGROUND, IGNORE
from saticl.losses import unlabelled_distillation
from saticl.methods.base import Method
from saticl.methods.options import CILOptions
from saticl.tasks import Task
from saticl.types import Labels, Logits, Output, Terms


class CIL(Method):
    """Cross entropy of new classes and distillation elsewhere, the latter weighted by `kd.decoder_factor`."""

    options: CILOptions

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """Cross entropy of pixels labelled with a class."""
        return {"ce": self.criterion(new.logits, named(target, self.task))}

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """The teacher's labels for all other pixels, more where it is unsure."""
        options = self.options
        loss = unlabelled_distillation(
            new.logits, old.logits, named(target, self.task), options.entropy_weight, options.temperature
        )
        return {"kd": self.kd.decoder_factor * loss}


def named(target: Labels, task: Task) -> Labels:
    """Labels without background, which hides old classes; where no class is new, it hides nothing and stays."""
    return target.masked_fill(target == BACKGROUND, IGNORE) if task.new else target
