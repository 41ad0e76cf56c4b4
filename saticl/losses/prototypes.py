"""Losses on the mean features of classes, their prototypes.

    f   features [B, D, h, w]; y   label of a position [B, h, w], an output index or IGNORE
    m_c mean of f over the positions with y = c in the batch; P_c   a prototype from elsewhere

Background mixes classes, those of other steps among them: it is neither matched, nor attracted, nor repelled.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.labels import BACKGROUND, IGNORE
from saticl.losses.masking import masked_mean
from saticl.losses.precision import full_precision
from saticl.losses.relations import NEVER
from saticl.losses.shares import gathered, total
from saticl.types import Feature, Labels, Logits, Scalar

NEAREST = 1e-6
"""Means that are closer are one: the slope of 1 / distance would be endless."""
SMALLEST = 1e-6
"""Sum of scaled features below which a position shows nothing."""


@full_precision
def class_sums(features: Feature, labels: Labels, num_classes: int) -> Tensor:
    """Sum of the features of every class [K, D]; `class_counts` tells of how many positions."""
    return torch.einsum("bkhw,bdhw->kd", _member(labels, num_classes).to(features.dtype), features)


def class_counts(labels: Labels, num_classes: int) -> Tensor:
    """Positions of every class [K]."""
    return _member(labels, num_classes).sum((0, 2, 3))


def class_means(features: Feature, labels: Labels, num_classes: int) -> Tensor:
    """Mean features of every class [K, D] in the whole batch, 0 for a class without a position."""
    counts = total(class_counts(labels, num_classes))
    return total(class_sums(features, labels, num_classes)) / counts.clamp(min=1)[:, None]


@full_precision
def prototype_matching(features: Feature, labels: Labels, prototypes: Tensor) -> Scalar:
    """SDR's matching: mean over the classes present of the mean over D of (m_c - P_c)².

    Michieli, Zanuttigh, CVPR 2021, arXiv:2103.06342, like the three that follow.

    Args:
        features: [B, D, h, w].
        labels: [B, h, w], of which IGNORE and background do not count.
        prototypes: P [K, D].
    """
    means = class_means(features, labels, len(prototypes))
    return masked_mean((means - prototypes).square().mean(1), _present(labels, len(prototypes)))


@full_precision
def prototype_attraction(features: Feature, labels: Labels, prototypes: Tensor) -> Scalar:
    """SDR's attraction: mean over the classes present of the mean over their positions and D of (f - P_c)².

    Args:
        features: [B, D, h, w].
        labels: [B, h, w], of which IGNORE and background do not count.
        prototypes: P [K, D].
    """
    own = prototypes[labels.long().where(labels != IGNORE, BACKGROUND)].movedim(-1, 1)
    distances = (features - own).square().mean(1, keepdim=True)
    of_classes = class_means(distances, labels, len(prototypes)).squeeze(1)
    return masked_mean(of_classes, _present(labels, len(prototypes)))


@full_precision
def class_repulsion(features: Feature, labels: Labels, num_classes: int) -> Scalar:
    """SDR's repulsion: mean over pairs of classes present of 1 / |m_c - m_d|; 0 without two distinct classes.

    Args:
        features: [B, D, h, w].
        labels: [B, h, w], of which IGNORE and background do not count.
        num_classes: K.
    """
    means, present = class_means(features, labels, num_classes), _present(labels, num_classes)
    distances = torch.cdist(means, means, compute_mode="donot_use_mm_for_euclid_dist")  # gradient 0 at distance 0
    pairs = present & present[:, None] & (distances > NEAREST)
    return masked_mean(1 / distances.where(pairs, 1), pairs)


@full_precision
def feature_sparsity(features: Feature, labels: Labels, num_classes: int) -> Scalar:
    """SDR's sparsity: mean over labelled positions of Σ_d exp(f̂_d) / Σ_d f̂_d, smallest where few channels are large.

    f̂ is f divided by the largest feature of all positions of its class, background being one of them. Deviation:
    negative features count as 0, which changes nothing after a ReLU; positions of which nothing is left do not count.

    Args:
        features: [B, D, h, w].
        labels: [B, h, w].
        num_classes: K.
    """
    positive = features.relu()
    largest = positive.amax(1, keepdim=True).where(_member(labels, num_classes), 0).amax((2, 3))
    largest = gathered(largest).amax(0)
    labelled = labels != IGNORE
    scale = largest[labels.long().where(labelled, BACKGROUND)][:, None]
    scaled = positive.where(labelled[:, None], 0) / scale.where(scale > 0, 1)
    summed = scaled.sum(1)
    counts = labelled & (summed > SMALLEST)
    return masked_mean(scaled.exp().sum(1) / summed.where(counts, 1), counts)


@full_precision
def class_similarity(new: Tensor, old: Tensor, known: Tensor, threshold: float = 1.0) -> Tensor:
    """How alike new classes are to old ones [num_new, num_old]: softmax of the cosines over the known old classes.

    What is below `threshold` / number of known classes is 0. REMINDER: Phan et al., CVPR 2022.

    Args:
        new: prototypes [num_new, D].
        old: prototypes [num_old, D].
        known: bool [num_old], which of them there are.
        threshold: at least 0; 1 keeps classes that are more alike than on average.
    """
    cosines = F.normalize(new, dim=1) @ F.normalize(old, dim=1).T
    similarity = cosines.where(known, NEVER).softmax(1).where(known, 0)
    return similarity.where(similarity >= threshold / known.sum().clamp(min=1), 0)


@full_precision
def similarity_distillation(
    logits: Logits, old_logits: Logits, target: Labels, similarity: Tensor, temperature: float = 3.0
) -> Scalar:
    """REMINDER's distillation: T² times the mean over pixels of new classes k of -Σ_{c < K_old} r_k(c) p(c) log q(c).

    Phan, Ta, Phung, Tran-Thanh, Bouzerdoum, CVPR 2022. p and q are softmaxes over the old classes at temperature T.

    Args:
        logits: [B, K, H, W]; only the first K_old channels are read.
        old_logits: [B, K_old, H, W].
        target: [B, H, W].
        similarity: r [K - K_old, K_old], of at least one new class.
        temperature: T, above 0.
    """
    target, num_old = target.long(), old_logits.shape[1]
    is_new = (target >= num_old) & (target != IGNORE)
    weight = similarity[(target - num_old).where(is_new, 0)].movedim(-1, 1)
    log_student = (logits[:, :num_old] / temperature).log_softmax(1)
    loss = -(weight * (old_logits / temperature).softmax(1) * log_student).sum(1)
    return temperature**2 * masked_mean(loss, is_new)


def _member(labels: Labels, num_classes: int) -> Tensor:
    """Which positions are of each class: bool [B, K, h, w]."""
    return labels[:, None] == torch.arange(num_classes, device=labels.device).view(-1, 1, 1)


def _present(labels: Labels, num_classes: int) -> Tensor:
    """Which classes the batch shows [K]; background is none."""
    present = total(class_counts(labels, num_classes)) > 0
    return present.where(torch.arange(num_classes, device=labels.device) != BACKGROUND, False)
