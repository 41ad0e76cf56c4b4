"""MiCro, a reconstruction: pixels of different images of a batch keep their relations.

X. Rong, P. Wang, W. Diao, Y. Yang, W. Yin, X. Zeng, H. Wang, X. Sun: MiCro: Modeling Cross-Image Semantic Relationship
Dependencies for Class-Incremental Semantic Segmentation in Remote Sensing Images, IEEE TGRS 2023, vol. 61, IEEE
document 10188852 (doi not confirmed). The public repository holds a README only. The abstract speaks of three losses
on relations between pixels within a mini-batch; of these only the first name, Cross-image Feature Relationship
Distillation, is known to us. What follows is this project's reading; its scores are not those of the paper.

    L = L_unce + λ_kd L_unkd + λ_1 L_relation + λ_2 L_contrast + λ_3 L_prototype
    L_unce, L_unkd   MiB's (arXiv:2002.00718, eq. 3 and 8), on whose code MiCro is built
    L_relation       similarities to the positions of every image, as the teacher's      `relation_distillation`
    L_contrast       positions of a class alike, across images                           `pixel_contrast`
    L_prototype      similarities to the mean features of classes, as the teacher's      `prototype_distillation`

On the decoder's map, averaged to at most `micro.side` positions per side. A position is of a class if its nearest
pixel is labelled so, or is background and the teacher gives an old class more than `micro.confidence`; it is
background where the teacher says so too, else ignored. New classes start from the background's classifier. The first
relation follows CIRKD (C. Yang et al., CVPR 2022), with its temperature.

Deviation: everything but MiB's part is; no formula or weight of the paper is known to us.
"""

import math

import torch.nn.functional as F

from saticl.labels import BACKGROUND
from saticl.losses import (
    nearest_labels,
    old_labels,
    pixel_contrast,
    prototype_distillation,
    relation_distillation,
    unbiased_distillation,
)
from saticl.methods.base import Method
from saticl.methods.options import MiCroOptions
from saticl.types import Feature, Labels, Logits, Output, Terms


class MiCro(Method):
    """MiB, and three losses on relations between pixels of all images of a batch."""

    options: MiCroOptions

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """L_unce."""
        return {"ce": self.criterion(new.logits, target, self.task.num_old)}

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """L_unkd and the three relations."""
        options, temperature = self.options, self.options.temperature
        maps = [averaged(output.pixels, options.side) for output in (new, old)]
        labels = self.labels(old, target).flatten()
        student, teacher = (features.movedim(1, -1).flatten(0, -2) for features in maps)
        relation = relation_distillation(maps[0], maps[1], temperature)
        contrast = pixel_contrast(student, labels, temperature)
        prototype = prototype_distillation(student, teacher, labels, self.task.num_seen, temperature)
        return {
            "kd": self.kd.decoder_factor * unbiased_distillation(new.logits, old.logits, self.kd.alpha),
            "relation": options.relation_factor * relation,
            "contrast": options.contrast_factor * contrast,
            "prototype": options.prototype_factor * prototype,
        }

    def labels(self, old: Output, target: Labels) -> Labels:
        """Labels of the averaged positions [B, h, w], old classes among them; the teacher adds none if none is new."""
        scores = averaged(old.coarse, self.options.side)
        nearest = nearest_labels(target, scores.shape[-2:])
        if not self.task.new:
            return nearest
        probability, said = scores.softmax(1).max(1)
        confident = (probability > self.options.confidence) | (said == BACKGROUND)
        return old_labels(nearest, scores, confident)


def averaged(features: Feature, side: int) -> Feature:
    """Means over equal squares, so that at most `side` remain per side, in full precision."""
    square = math.ceil(max(features.shape[-2:]) / side)
    wide = features if features.element_size() > 2 else features.float()
    return F.avg_pool2d(wide, square, ceil_mode=True)
