"""PLOP: the previous model labels the background where it is sure, and features stay at several scales.

A. Douillard, Y. Chen, A. Dapogny, M. Cord: PLOP: Learning without Forgetting for Continual Semantic Segmentation, CVPR
2021, arXiv:2011.11390.

    L = mean_i ν CE(z_i, ỹ_i) + L_pod
    ỹ_i = y_i where new; else the teacher's class c_i where u_i < τ_{c_i}; else ignored
    u_i = entropy of the teacher's softmax / log |old|                          `normalised_entropy`
    τ_c = median of u over background pixels of the step's tiles that the teacher calls c, at least 0.001
    ν   = share of an image's background pixels with u_i < τ; 1 where it has no background
    L_pod = sqrt(|seen| / |new|) · mean over maps of factor · ‖Φ(a) - Φ(a_old)‖      `local_pod_distance`

Maps: the encoder's last four, the decoder's, and the small logits with background and new classes as one. New classes
start from the background's classifier (MiB). Step 0 is plain cross entropy. Where a step brings no new class, ỹ = y,
ν = 1, and sqrt(|seen| / |new|) is 1.

Deviation: maps are taken after their activation. Deviation, as in the authors' code: the norm is not squared.
Deviation from that code: images without background have ν = 1 (published first NaN, then 0); the median is that of all
processes. Deviation from that code, undone by `plop.faithful`: there u is also divided by |old| log |seen| (with many
classes every pixel passes); τ is read from 100 bins, adding up their indices in place of their counts; background and
new logits are summed, not merged as probabilities, although the new classifier then starts far from what is distilled.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from saticl.labels import BACKGROUND, IGNORE
from saticl.losses import fold_new, local_pod_distance, normalised_entropy, old_labels, one_batch, share, total
from saticl.methods.base import Criterion, Method, Network
from saticl.methods.options import PLOPOptions
from saticl.methods.processes import sum_over_processes
from saticl.options import KDOptions
from saticl.tasks import Task
from saticl.types import Batch, Labels, Logits, Output, Scalar, Terms

LOWEST = 0.001
"""Smallest threshold."""
STAGES = 4
"""Encoder maps that are compared."""


class PLOP(Method):
    """Cross entropy on pseudo labels and Local POD."""

    counted = ("thresholds",)
    options: PLOPOptions
    thresholds: Tensor
    """τ [num_old]."""
    num_bins = 10_000
    """Of the histogram from which medians are read: with few, teachers that are always or never sure share one bin."""

    def __init__(self, task: Task, criterion: Criterion, kd: KDOptions, options: PLOPOptions) -> None:
        super().__init__(task, criterion, kd, options)
        self.register_buffer("thresholds", torch.full((task.num_old,), LOWEST), persistent=False)

    @torch.no_grad()
    def begin(self, student: nn.Module, teacher: Network | None, batches: Iterable[Batch]) -> None:
        """τ, from one pass over the training tiles."""
        if teacher is None or not self.task.new:
            return
        num_old, num_bins = self.task.num_old, self.num_bins
        counts = torch.zeros(num_old * num_bins, dtype=torch.int64, device=self.thresholds.device)
        for batch in batches:
            logits = teacher(batch.image).logits
            bins = (self.uncertainty(logits) * num_bins).long().clamp(max=num_bins - 1)
            places = (logits.argmax(1) * num_bins + bins)[batch.target == BACKGROUND]
            counts += torch.bincount(places, minlength=num_old * num_bins)
        sum_over_processes(counts)
        self.thresholds = self.medians(counts.view(num_old, num_bins)).to(self.thresholds.dtype).clamp(min=LOWEST)

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """ν CE(z, ỹ), per image, averaged over the pixels that have a label before or after."""
        if not self.task.new:
            return super().supervision(new, old_logits, target)
        uncertainty, said = self.uncertainty(old_logits), old_logits.argmax(1)
        confident = uncertainty < self.thresholds[said]
        labels = old_labels(target, old_logits, confident)
        hidden = target == BACKGROUND
        sure, background = (mask.sum((1, 2)) for mask in (hidden & confident, hidden))
        factors = torch.where(background > 0, sure / background.clamp(min=1), 1)
        with one_batch(divided=False):  # the mean of an image is that of this process
            summed = [
                self.criterion(scores, image_labels) * (image_labels != IGNORE).sum()
                for scores, image_labels in zip(new.logits.split(1), labels.split(1), strict=True)
            ]
        return {"ce": share((factors * torch.stack(summed)).sum()) / total((target != IGNORE).sum()).clamp(min=1)}

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """L_pod."""
        return {"pod": self.pod(new, old)}

    def pod(self, new: Output, old: Output) -> Scalar:
        """Local POD over all maps."""
        options = self.options
        maps = [*zip(old.stages[-STAGES:], new.stages[-STAGES:], strict=True), (old.pixels, new.pixels)]
        distances = [options.features_factor * local_pod_distance(*pair) for pair in maps]
        distances.append(options.logits_factor * local_pod_distance(old.coarse, self.merged(new.coarse)))
        growth = self.task.num_seen / self.task.num_new if self.task.new else 1
        return math.sqrt(growth) * torch.stack(distances).mean()

    def uncertainty(self, old_logits: Logits) -> Tensor:
        """U [B, H, W]."""
        return normalised_entropy(old_logits)

    def medians(self, counts: Tensor) -> Tensor:
        """Median of u [num_old] from its histograms [num_old, num_bins]."""
        return histogram_medians(counts)

    def merged(self, coarse: Logits) -> Logits:
        """The student's scores with background and new classes as one: [B, num_old, h, w]."""
        return fold_new(coarse, self.task.num_old)


class PublishedPLOP(PLOP):
    """PLOP as in the published code: entropy divided twice, its median misread, scores of new classes summed."""

    num_bins = 100

    def uncertainty(self, old_logits: Logits) -> Tensor:
        """U / (|old| log |seen|)."""
        return super().uncertainty(old_logits) / (self.task.num_old * math.log(self.task.num_seen))

    def medians(self, counts: Tensor) -> Tensor:
        """From the indices of bins in place of their counts."""
        return published_medians(counts)

    def merged(self, coarse: Logits) -> Logits:
        """By the sum of scores."""
        return summed_background(coarse, self.task.num_old)


def histogram_medians(counts: Tensor) -> Tensor:
    """Median [K] of values in [0, 1] from counts [K, bins], interpolated within its bin; 0 of nothing."""
    return _position_of_half(counts, counts.cumsum(1) - counts)


def published_medians(counts: Tensor) -> Tensor:
    """As the authors' code reads it: the running sum grows by the index of each bin in place of its count."""
    index = torch.arange(counts.shape[1], device=counts.device)
    return _position_of_half(counts, (index.cumsum(0) - index).expand_as(counts))


def summed_background(logits: Logits, num_old: int) -> Logits:
    """Background and new classes as one by the sum of their scores: [B, K, h, w] -> [B, num_old, h, w]."""
    background = logits[:, :1] + logits[:, num_old:].sum(1, keepdim=True)
    return torch.cat([background, logits[:, 1:num_old]], dim=1)


def _position_of_half(counts: Tensor, before: Tensor) -> Tensor:
    """Where, in [0, 1], half of all counts lie below: in the first bin that may hold it, else in the last."""
    bins, total = counts.shape[1], counts.sum(1, keepdim=True)
    half = total / 2
    holds = (before <= half) & (half <= before + counts)
    index = torch.where(holds.any(1, keepdim=True), holds.int().argmax(1, keepdim=True), bins - 1)
    inside = (half - before.gather(1, index)) / counts.gather(1, index)
    return ((index + inside) / bins).where(total > 0, 0).squeeze(1)
