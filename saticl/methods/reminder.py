"""REMINDER: PLOP, and pixels of a new class keep the scores of old classes that look like it.

M. H. Phan, T.-A. Ta, S. L. Phung, L. Tran-Thanh, A. Bouzerdoum: Class Similarity Weighted Knowledge Distillation for
Continual Semantic Segmentation, CVPR 2022, pp. 16866-16875 (doi and arXiv number not confirmed).

    L = L_PLOP + λ L_csw
    L_csw  = T² mean_{i new} -Σ_{c old} r_{y_i}(c) p_i(c) log q_i(c)                 `similarity_distillation`
    r_k(c) = softmax_c cos(m_k, P_c), 0 where it is below δ / |old|                  `class_similarity`

p, q: softmax of teacher and student over the old classes and background, at temperature T; i new: pixels labelled
with a new class. m_k: mean of the previous model's decoder map over the positions of new class k in the batch. P_c:
mean of the same map over the positions of old class c, counted when the previous step ended, with its final weights,
over its training tiles: by its own labels where these name a class, else by what the model before it said; a class
that the tiles of a step do not show keeps the mean it had. Positions have the label of the nearest pixel; r_k is 0
where none is of k. New classes start from the background's classifier. Step 0 is plain cross entropy; where a step
brings no new class, L_csw is 0.

State: P and the number of positions that each is a mean of.

Deviation: as in `plop.py`, whose options stand under `reminder` here. Deviation: means are taken over the decoder's
map as it is, not enlarged to the image. Deviation from the authors' code: 0 where a batch shows no new class, which
gave NaN; means are of the labels of the step, not of PLOP's pseudo labels; no 1e-7 beside r p. Their published
weights come from code that mixed up rows and channels in P.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from saticl.losses import (
    class_counts,
    class_means,
    class_similarity,
    class_sums,
    nearest_labels,
    old_labels,
    similarity_distillation,
    total,
)
from saticl.methods.base import Criterion
from saticl.methods.class_means import ClassMeans
from saticl.methods.options import ReminderOptions
from saticl.methods.plop import PLOP, PublishedPLOP
from saticl.options import KDOptions
from saticl.tasks import Task
from saticl.types import Batch, Labels, Output, Scalar, Terms


class REMINDER(PLOP):
    """PLOP and class-similarity weighted distillation, the latter weighted by `kd.decoder_factor`."""

    options: ReminderOptions
    name = "reminder"
    needs_own_base = True

    def __init__(self, task: Task, criterion: Criterion, kd: KDOptions, options: ReminderOptions) -> None:
        super().__init__(task, criterion, kd, options)
        self.pixel_means = ClassMeans(task.num_seen)
        """P, and what this step makes of it."""

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """L_pod and L_csw."""
        terms = super().distillation(new, old, target)
        return {**terms, "kd": self.kd.decoder_factor * self.similar(new, old, target)} if self.task.new else terms

    def similar(self, new: Output, old: Output, target: Labels) -> Scalar:
        """L_csw."""
        num_old, options = self.task.num_old, self.options
        labels = nearest_labels(target, old.pixels.shape[-2:])
        of_new = class_means(old.pixels, labels, self.task.num_seen)[num_old:]
        shown = total(class_counts(labels, self.task.num_seen))[num_old:] > 0
        known, of_old = self.pixel_means.known[:num_old], self.pixel_means.means[:num_old]
        similarity = class_similarity(of_new, of_old, known, options.threshold)
        shared = similarity.where(shown[:, None], 0)
        return similarity_distillation(new.logits, old.logits, target, shared, options.temperature)

    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """Make room for means of the decoder's map."""
        width = student.get_parameter("classifier.heads.0.weight").shape[1]
        self.pixel_means.make_room(width)

    @torch.no_grad()
    def consolidate(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """P for the next step, of the final weights."""
        num_seen, was_training = self.task.num_seen, student.training
        student.eval()
        sums = torch.zeros_like(self.pixel_means.means)
        counts = torch.zeros_like(self.pixel_means.counts)
        for batch in batches:
            pixels = student(batch.image).pixels
            labels = nearest_labels(self.all_labels(batch, teacher), pixels.shape[-2:])
            sums += class_sums(pixels, labels, num_seen)
            counts += class_counts(labels, num_seen)
        self.pixel_means.replace(sums, counts)
        student.train(was_training)

    def all_labels(self, batch: Batch, teacher: nn.Module | None) -> Labels:
        """Labels of the step, and in their background what the previous model says."""
        if teacher is None or not self.task.new:
            return batch.target
        return old_labels(batch.target, teacher(batch.image).logits, torch.ones_like(batch.target, dtype=torch.bool))

    def import_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over P."""
        super().import_state(self.pixel_means.inherited(state, "pixel_means", self.name))


class PublishedREMINDER(REMINDER, PublishedPLOP):
    """REMINDER on PLOP as in the published code."""
