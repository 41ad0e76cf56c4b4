"""LwF: the scores of the old classes stay as the previous model gave them.

Z. Li, D. Hoiem: Learning without Forgetting, ECCV 2016, arXiv:1606.09282. For segmentation as in the code of MiB
(Cermelli et al., CVPR 2020, arXiv:2002.00718).

    L = CE(z, y) + λ L_kd
    L_kd = mean_i -1/|old| Σ_{k in old} p_i(k) log q_i(k)            `distillation`

p: softmax of the teacher's scores; q: softmax of the student's scores of old classes alone (background is one of
them). All pixels are distilled, labelled or not. λ is 100 because of the mean over classes.

Deviation: as in MiB's code, `kd.alpha` hardens the teacher's labels, in place of a temperature on both sides.
"""

from saticl.losses import distillation
from saticl.methods.base import Method
from saticl.types import Labels, Output, Terms


class LwF(Method):
    """Cross entropy and soft labels of the old classes, the latter weighted by `kd.decoder_factor`."""

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """L_kd on the scores at the size of the image."""
        return {"kd": self.kd.decoder_factor * distillation(new.logits, old.logits, self.kd.alpha)}
