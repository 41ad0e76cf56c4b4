"""ILT: LwF, and the encoder's features stay too.

U. Michieli, P. Zanuttigh: Incremental Learning Techniques for Semantic Segmentation, ICCV Workshops 2019,
arXiv:1907.13372. In the form of MiB's code (Cermelli et al., CVPR 2020, arXiv:2002.00718), which published tables
quote.

    L = CE(z, y) + λ_D mean_i -1/|old| Σ_{k in old} p_i(k) log q_i(k)        `distillation`
                 + λ_E mean (f - f_old)²                                     `feature_mse`

f: the encoder's deepest map, after its activation.

Deviation: both terms together, on all pixels and with a softmax over old classes alone, as in MiB's code; the authors'
own code uses one term at a time, and distils pixels labelled old or background with a softmax over all classes.
"""

from saticl.losses import distillation, feature_mse
from saticl.methods.base import Method
from saticl.types import Labels, Output, Terms


class ILT(Method):
    """Cross entropy, soft labels (`kd.decoder_factor`) and deepest encoder features (`kd.encoder_factor`)."""

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """Scores and features of the same image."""
        return {
            "kd": self.kd.decoder_factor * distillation(new.logits, old.logits, self.kd.alpha),
            "features": self.kd.encoder_factor * feature_mse(new.stages[-1], old.stages[-1]),
        }
