"""What is minimised: pure functions of tensors, without devices, options, state or logging.

Every loss computes in float32 also inside autocast (float64 stays float64), skips pixels labelled `IGNORE`, never
changes its arguments, and returns 0, still in the graph, where no pixel counts.
"""

from saticl.losses.cross_entropy import (
    class_balanced_cross_entropy,
    cross_entropy,
    focal,
    incremental_bce,
    new_class_cross_entropy,
    unbiased_cross_entropy,
)
from saticl.losses.cubes import channel_distance, pooled_distance
from saticl.losses.distillation import (
    distillation,
    label_guided_distillation,
    sigmoid_distillation,
    unbiased_distillation,
    unlabelled_distillation,
)
from saticl.losses.features import attended_mse, feature_mse, local_pod_distance
from saticl.losses.masking import fold_new, fold_old, fold_target, masked_mean
from saticl.losses.overlap import tanimoto, tversky
from saticl.losses.pseudo_labels import normalised_entropy, old_labels
from saticl.losses.relations import pixel_contrast, prototype_distillation, relation_distillation

__all__ = [
    "attended_mse",
    "channel_distance",
    "class_balanced_cross_entropy",
    "cross_entropy",
    "distillation",
    "feature_mse",
    "focal",
    "fold_new",
    "fold_old",
    "fold_target",
    "incremental_bce",
    "label_guided_distillation",
    "local_pod_distance",
    "masked_mean",
    "new_class_cross_entropy",
    "normalised_entropy",
    "old_labels",
    "pixel_contrast",
    "pooled_distance",
    "prototype_distillation",
    "relation_distillation",
    "sigmoid_distillation",
    "tanimoto",
    "tversky",
    "unbiased_cross_entropy",
    "unbiased_distillation",
    "unlabelled_distillation",
]
