"""What is minimised: pure functions of tensors, without devices, options, state or logging.

Every loss computes in float32 also inside autocast (float64 stays float64), skips pixels labelled `IGNORE`, never
changes its arguments, and returns 0, still in the graph, where no pixel counts. Inside `one_batch` the batch is what
all processes hold together (`shares.py`).
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
from saticl.losses.features import attended_mse, feature_mse, local_pod_distance, weighted_mse
from saticl.losses.joint import joint_cross_entropy, joint_pixels
from saticl.losses.masking import fold_new, fold_old, fold_target, masked_mean, nearest_labels
from saticl.losses.overlap import tanimoto, tversky
from saticl.losses.prototypes import (
    class_counts,
    class_means,
    class_repulsion,
    class_similarity,
    class_sums,
    feature_sparsity,
    prototype_attraction,
    prototype_matching,
    similarity_distillation,
)
from saticl.losses.pseudo_labels import normalised_entropy, old_labels
from saticl.losses.relations import (
    centre_repulsion,
    pixel_contrast,
    prototype_distillation,
    relation_distillation,
)
from saticl.losses.rows import row_overlap
from saticl.losses.shares import one_batch, share, total
from saticl.losses.sigmoid import absence, class_bce, presence_margin, weighted_absence

__all__ = [
    "absence",
    "attended_mse",
    "centre_repulsion",
    "channel_distance",
    "class_balanced_cross_entropy",
    "class_bce",
    "class_counts",
    "class_means",
    "class_repulsion",
    "class_similarity",
    "class_sums",
    "cross_entropy",
    "distillation",
    "feature_mse",
    "feature_sparsity",
    "focal",
    "fold_new",
    "fold_old",
    "fold_target",
    "incremental_bce",
    "joint_cross_entropy",
    "joint_pixels",
    "label_guided_distillation",
    "local_pod_distance",
    "masked_mean",
    "nearest_labels",
    "new_class_cross_entropy",
    "normalised_entropy",
    "old_labels",
    "one_batch",
    "pixel_contrast",
    "pooled_distance",
    "presence_margin",
    "prototype_attraction",
    "prototype_distillation",
    "prototype_matching",
    "relation_distillation",
    "row_overlap",
    "share",
    "sigmoid_distillation",
    "similarity_distillation",
    "tanimoto",
    "total",
    "tversky",
    "unbiased_cross_entropy",
    "unbiased_distillation",
    "unlabelled_distillation",
    "weighted_absence",
    "weighted_mse",
]
