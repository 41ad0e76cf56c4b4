"""HCISS, a reconstruction: labels and features guided by what the previous model recognises.

X. Rong et al.: Historical Information-Guided Class-Incremental Semantic Segmentation in Remote Sensing Images, IEEE
TGRS 2022, IEEE document 9762919 (doi not confirmed). Neither code nor full text is available to us. The abstract names
two modules: feature global perception steers the model to regions of old classes, label reconstruction finds old
classes in the background. What follows is this project's reading of it; its scores are not those of the paper.

    L = CE(z, ỹ) + λ_kd L_unkd + λ_F L_fgp
    ỹ_i   = y_i where new; else the teacher's class where that is background, or where max_k p_i(k) > θ; else ignored
    L_fgp = Σ_i a_i mean_d (f_i - f_old,i)² / Σ_i a_i,   a_i = Σ_{k old, not background} p_i(k)   `attended_mse`
    L_unkd: MiB's distillation (arXiv:2002.00718, eq. 8)

p: teacher's softmax; f: the decoder's map. New classes start from the background's classifier.

Deviation: everything is; no formula of the paper is known to us.
"""

from saticl.labels import BACKGROUND
from saticl.losses import attended_mse, old_labels, unbiased_distillation
from saticl.methods.base import Method
from saticl.methods.options import HCISSOptions
from saticl.types import Labels, Logits, Output, Terms


class HCISS(Method):
    """Cross entropy on reconstructed labels, distillation, and features kept where old classes are."""

    options: HCISSOptions

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """CE(z, ỹ); ỹ = y where no class is new."""
        if not self.task.new:
            return super().supervision(new, old_logits, target)
        probability, said = old_logits.float().softmax(1).max(1)
        confident = (probability > self.options.confidence) | (said == BACKGROUND)
        return {"ce": self.criterion(new.logits, old_labels(target, old_logits, confident))}

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """L_unkd and L_fgp."""
        attention = 1 - old.coarse.float().softmax(1)[:, BACKGROUND]
        return {
            "kd": self.kd.decoder_factor * unbiased_distillation(new.logits, old.logits, self.kd.alpha),
            "features": self.options.features_factor * attended_mse(new.pixels, old.pixels, attention),
        }
