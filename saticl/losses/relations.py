"""Losses on how pixels relate to each other across the images of a batch, by the cosine of their features.

z: features of N positions [N, D]; s(a, b) = cos(z_a, z_b) / temperature.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.labels import BACKGROUND, IGNORE
from saticl.losses.masking import masked_mean
from saticl.losses.precision import full_precision
from saticl.losses.shares import gathered, total
from saticl.types import Feature, Scalar

NEVER = -1e4
"""Score of what must not be chosen: its probability is 0 in float32, and 0 times its logarithm is not NaN."""

NEAREST = 1e-3
"""Distance below which directions are no longer pushed apart: its inverse would be without bound."""


@full_precision
def relation_distillation(new: Feature, old: Feature, temperature: float = 0.1) -> Scalar:
    """Mean KL divergence of each position's similarities to all positions of one image, teacher against student.

    For every ordered pair of images (m, n), m = n included, and every position a of m: the softmax over the positions
    b of n of s(a, b). Yang et al., Cross-Image Relational Knowledge Distillation (CIRKD), CVPR 2022, within a batch.

    Args:
        new: [B, D, h, w] of the student.
        old: [B, D, h, w] of the teacher.
        temperature: above 0.
    """
    student, teacher = (_relations(features, temperature).log_softmax(2) for features in (new, old))
    divergence: Tensor = (teacher.exp() * (teacher - student)).sum(2)
    return divergence.mean()


@full_precision
def pixel_contrast(features: Tensor, labels: Tensor, temperature: float = 0.1) -> Scalar:
    """Supervised contrast: positions of a class are more alike than those of different classes.

    Mean over anchors a with a positive and a negative of the mean over positives p of
    -log( e^s(a,p) / (e^s(a,p) + Σ_n e^s(a,n)) ). Positives share the anchor's label; negatives have another one.
    Background is no anchor, because it mixes classes, but a negative. Wang et al., ICCV 2021, is the model.

    Args:
        features: [N, D].
        labels: [N], an output index or IGNORE, which takes no part.
        temperature: above 0.
    """
    z, labels = gathered(F.normalize(features, dim=1)), gathered(labels)
    scores = z @ z.T / temperature
    same = labels[:, None] == labels
    labelled = labels != IGNORE
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positives = same & labelled & (labels != BACKGROUND) & ~itself
    negatives = ~same & labelled
    against = scores.where(negatives, NEVER).logsumexp(1, keepdim=True)
    pairs = (torch.logaddexp(scores, against) - scores).where(positives, 0)
    num_positives = positives.sum(1)
    anchors = labelled & (num_positives > 0) & negatives.any(1)
    return masked_mean(pairs.sum(1) / num_positives.clamp(min=1), anchors)


@full_precision
def prototype_distillation(
    new: Tensor, old: Tensor, labels: Tensor, num_classes: int, temperature: float = 0.1
) -> Scalar:
    """Mean KL divergence of each position's similarities to the classes' mean features, teacher against student.

    A prototype is the mean feature of a class in the batch, in the features of each network; background has none.

    Args:
        new: [N, D] of the student.
        old: [N, D] of the teacher.
        labels: [N], an output index or IGNORE.
        num_classes: K.
        temperature: above 0.
    """
    member = labels[:, None] == torch.arange(1, num_classes, device=labels.device)
    present = total(member.sum(0)) > 0
    student, teacher = (
        (_similarity(z, member) / temperature).where(present, NEVER).log_softmax(1) for z in (new, old)
    )
    divergence: Tensor = (teacher.exp() * (teacher - student)).sum(1)
    return divergence.mean()


@full_precision
def centre_repulsion(features: Tensor, labels: Tensor, classes: Sequence[int], prototypes: Tensor) -> Scalar:
    """How near the mean directions of some classes are to prototypes: mean over classes k of 1 / min_c ‖m_k - p_c‖.

    m_k is the mean of the features of class k in the batch, each of length 1 and the mean again. Classes without a
    position take no part; 0 where none has one, or where there are no prototypes. Chen et al., STAR, NeurIPS 2023.

    Args:
        features: [N, D].
        labels: [N], an output index or IGNORE.
        classes: output indices of the classes that are to keep away.
        prototypes: [C, D], of length 1.
    """
    member = labels[:, None] == torch.tensor(classes, device=labels.device)
    centres = F.normalize(total(member.to(features.dtype).T @ F.normalize(features, dim=1)), dim=1)
    if not len(prototypes):
        return masked_mean(centres, torch.zeros_like(centres, dtype=torch.bool))
    squared = (centres[:, None] - prototypes.to(centres.dtype)).square().sum(2).amin(1)
    return masked_mean(squared.clamp(min=NEAREST**2).rsqrt(), total(member.sum(0)) > 0)


def _relations(features: Feature, temperature: float) -> Tensor:
    """s(a, b) for positions a of these images and b of each image of the whole batch: [B·h·w, B of all, h·w]."""
    z = F.normalize(features, dim=1).flatten(2)
    return torch.einsum("mda,ndb->manb", z, gathered(z)).flatten(0, 1) / temperature


def _similarity(features: Tensor, member: Tensor) -> Tensor:
    """Cosine of each feature [N, D] with the mean of each class [N, K]; `member` tells who belongs to it."""
    z = F.normalize(features, dim=1)
    prototypes = total(member.to(z.dtype).T @ z) / total(member.sum(0)).clamp(min=1)[:, None]
    return z @ F.normalize(prototypes, dim=1).T
