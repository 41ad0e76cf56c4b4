"""LwF-MC: LwF with one sigmoid per class instead of a softmax.

S.-A. Rebuffi, A. Kolesnikov, G. Sperl, C. H. Lampert: iCaRL: Incremental Classifier and Representation Learning, CVPR
2017, arXiv:1611.07725, where it is the baseline LwF.MC. For segmentation as in the code of MiB (Cermelli et al., CVPR
2020, arXiv:2002.00718).

    L = mean_i Σ_{k seen} BCE(z_i(k), [y_i = k])                      `incremental_bce`
      + λ mean_i Σ_{k old} BCE(z_i(k), σ(z_old_i(k)))                 `sigmoid_distillation`

Old classes have two targets, their label (0, unless they are labelled) and the teacher's. Step 0 has the first
term alone. A class is predicted by the largest score, as everywhere.

Deviation: the distillation sees the unturned image only where rotation distillation is on.
"""

from saticl.losses import incremental_bce, sigmoid_distillation
from saticl.methods.base import Method
from saticl.types import Labels, Logits, Output, Terms


class LwFMC(Method):
    """Binary cross entropy of every class, distillation weighted by `kd.decoder_factor`; `ce.name` has no part."""

    def initial(self, new: Output, target: Labels) -> Terms:
        """Binary cross entropy against the labels."""
        return {"ce": incremental_bce(new.logits, target)}

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """As at step 0: old classes that are not labelled are background here."""
        return self.initial(new, target)

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """Binary cross entropy of old classes against the teacher."""
        return {"kd": self.kd.decoder_factor * sigmoid_distillation(new.logits, old.logits)}
