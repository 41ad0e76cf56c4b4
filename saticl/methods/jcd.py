"""JCD, joint class-balanced distillation: one cross entropy for labels and teacher, and every class has its share.

Our own (docs/method.md).

    L = Σ_i Σ_c w_c t_i(c) (-log q_i(c)) / Σ_c w_c n_c,   w_c = (n_c + n/2048)^-β      `balanced_cross_entropy`
    t_i = one-hot(y_i) where the pixel is labelled with a class: of this step, or an old one where it is labelled
          p_i where it is labelled background; ignored pixels do not count

p, q: softmax of teacher and student, the student's over all classes; n_c = Σ_i t_i(c), pixels of class c in the batch,
n all of them; β is `jcd.balance`. There is no weight between labels and teacher: a pixel counts by its class, whoever
names it. A pixel of a new class always has its label, so all others are known not to be new, and the second line of t
says so too. Step 0, and a step that brings no new class, is plain cross entropy; class weights count there only.
"""

from saticl.losses import balanced_cross_entropy
from saticl.methods.base import Method
from saticl.methods.options import JCDOptions
from saticl.types import Labels, Logits, Output, Terms


class JCD(Method):
    """One term; the teacher has its part in it, so rotation distillation shows it both views."""

    options: JCDOptions

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """L."""
        if not self.task.new:
            return super().supervision(new, old_logits, target)
        return {"ce": balanced_cross_entropy(new.logits, old_logits, target, self.options.balance)}
