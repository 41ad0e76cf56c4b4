"""LGKD: PLOP, and scores are distilled after the label has corrected the previous model.

Z. Yang, R. Li, E. Ling, C. Zhang, Y. Wang, D. Huang, K. T. Ma, M. Hur, G. Lin: Label-Guided Knowledge Distillation for
Continual Semantic Segmentation on 2D Images and 3D Point Clouds, ICCV 2023, pp. 18601-18612 (no arXiv number known).

    L = L_PLOP + λ L_lgkd
    L_lgkd = mean_i -w_i Σ_{k seen} t_i(k) log q_i(k)                       `label_guided_distillation`

At pixels labelled background t is the teacher's softmax, 0 for new classes; at pixels of a new class the teacher's
probability of background moves to that class. w: `lgkd.previous` and `lgkd.novel`, which the authors set per task. At
the decoder's resolution, on the labels of the step (not PLOP's), of which the nearest pixel is taken.

Deviation: as in `plop.py`, whose options stand under `lgkd` here. Deviation: 0 where a batch has no label (published
NaN).
"""

from saticl.losses import label_guided_distillation, nearest_labels
from saticl.methods.options import LGKDOptions
from saticl.methods.plop import PLOP, PublishedPLOP
from saticl.types import Labels, Output, Terms


class LGKD(PLOP):
    """PLOP and label-guided distillation, the latter weighted by `kd.decoder_factor`."""

    options: LGKDOptions

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """L_pod and L_lgkd."""
        small = nearest_labels(target, new.coarse.shape[-2:])
        loss = label_guided_distillation(new.coarse, old.coarse, small, self.options.previous, self.options.novel)
        return {**super().distillation(new, old, target), "kd": self.kd.decoder_factor * loss}


class PublishedLGKD(LGKD, PublishedPLOP):
    """LGKD on PLOP as in the published code."""
