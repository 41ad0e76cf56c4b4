"""CBD, class-balanced distillation: every labelled class weighs the same, the previous model teaches all other pixels.

Our own. It is CIL (`cil.py`) but for what a mean over pixels does to a class that covers few of them:

    L = 1/C Σ_k Σ_{y_i = k} -log q_i(k) / (n_k + n/2048)                 `class_balanced_cross_entropy`
      + λ mean_{i without a label} -Σ_{k old} p_i(k) log q_i(k)          `unlabelled_distillation`

p, q: softmax of teacher and student, the student's over all classes; k runs over the C classes that the batch is
labelled with: of this step, and old ones where they are labelled; n_k and n: pixels of class k and all pixels of the
batch. A pixel of a new class always has its label, so all others are known not to be new, and the second term says so
too. Pixels of which the teacher is unsure count like all others. Step 0, and a step that brings no new class, is
plain cross entropy; class weights count there only.
"""

from saticl.losses import class_balanced_cross_entropy, unlabelled_distillation
from saticl.methods.base import Method
from saticl.methods.cil import named
from saticl.types import Labels, Logits, Output, Terms


class CBD(Method):
    """Class-balanced cross entropy, and distillation elsewhere, the latter weighted by `kd.decoder_factor`."""

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """The first term."""
        if not self.task.new:
            return super().supervision(new, old_logits, target)
        return {"ce": class_balanced_cross_entropy(new.logits, named(target, self.task))}

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """The second term."""
        loss = unlabelled_distillation(new.logits, old.logits, named(target, self.task), entropy_weight=0.0)
        return {"kd": self.kd.decoder_factor * loss}
