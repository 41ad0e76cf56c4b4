"""MiB: model the background. It contains old classes now, and it contained the new classes before.

F. Cermelli, M. Mancini, S. Rota Bulò, E. Ricci, B. Caputo: Modeling the Background for Incremental Learning in
Semantic Segmentation, CVPR 2020, arXiv:2002.00718.

    L = L_unce + λ L_unkd                                                             eq. 2
    L_unce = mean_i -log Σ_{k in background ∪ old} q_i(k)        if y_i is background
             mean_i -log q_i(y_i)                                if y_i is new        eq. 3   `criterion(.., num_old)`
    L_unkd = mean_i -1/|old| Σ_k p_i(k) log q̂_i(k)                                    eq. 8   `unbiased_distillation`

q: student's softmax; p: teacher's; q̂: student's with background := background ∪ new. New classes start from the
background's classifier (eq. 10; `Segmenter.grow`, on by default for this method).

Deviation: λ is 1 unless set. The published 10 belongs to 16 old classes (VOC 15-5; 100 in 15-1), and the term is a
mean over old classes: with the two to six of aerial tasks 10 outweighs the labels, and new classes are not learned
within a few hundred iterations (docs/decisions/0013). Deviation: the supervised term averages over valid pixels, not
over all: tiles may hold ignored pixels, and MiB's own data do not. Deviation: ignored pixels stay ignored; the
published code trains them as background.
"""

from saticl.losses import unbiased_distillation
from saticl.methods.base import Method
from saticl.types import Labels, Logits, Output, Terms


class MiB(Method):
    """Unbiased cross entropy and unbiased distillation, the latter weighted by `kd.decoder_factor`."""

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """Eq. 3."""
        return {"ce": self.criterion(new.logits, target, self.task.num_old)}

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """Eq. 8."""
        return {"kd": self.kd.decoder_factor * unbiased_distillation(new.logits, old.logits, self.kd.alpha)}
