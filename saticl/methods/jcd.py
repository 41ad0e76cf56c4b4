"""JCD, joint class-balanced distillation: one cross entropy for labels and teacher, in which rare classes pull more.

Our own (docs/method.md).

    L   = mean_i Σ_c w_c t_i(c) (-log softmax(z_i + (1 - f) log w)(c))                            `joint_cross_entropy`
    t_i = one-hot(y_i) where the pixel is labelled with a class: of this step, or an old one where it is labelled
          p_i where it is labelled background; ignored pixels do not count
    w_c = 1 / (π_c + 1/2048), divided so that Σ_c π_c w_c = 1
    π_c = mean_i t_i(c) over the step's tiles                                                            `joint_pixels`

z: scores of the student, over all classes; p: softmax of the teacher; f is `jcd.favour_rare`. There is no weight
between labels and teacher: a pixel counts by its class, whoever names it. A pixel of a new class always has its label,
so all others are known not to be new, and the second line of t says so too. w is counted in one pass before the first
iteration. (1 - f) log w undoes what the weights would do to the scores (logit adjustment), wholly where f is 0: they
hasten rare classes, and the scores are still those of the pixels as often as they occur. Step 0, and a step that
brings no new class, is plain cross entropy; class weights count there only.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from saticl.losses import joint_cross_entropy, joint_pixels
from saticl.methods.base import Criterion, Method, Network
from saticl.methods.options import JCDOptions
from saticl.methods.processes import sum_over_processes
from saticl.options import KDOptions
from saticl.tasks import Task
from saticl.types import Batch, Labels, Logits, Output, Terms

RAREST = 1 / 2048
"""Added to the share of every class, so that one without pixels has a weight too."""


class JCD(Method):
    """One term; the teacher has its part in it, so rotation distillation shows it both views."""

    counted = ("weights",)
    options: JCDOptions
    weights: Tensor
    """w [num_seen]."""

    def __init__(self, task: Task, criterion: Criterion, kd: KDOptions, options: JCDOptions) -> None:
        super().__init__(task, criterion, kd, options)
        self.register_buffer("weights", torch.ones(task.num_seen), persistent=False)

    @torch.no_grad()
    def begin(self, student: nn.Module, teacher: Network | None, batches: Iterable[Batch]) -> None:
        """w, from one pass over the training tiles."""
        if teacher is None or not self.task.new:
            return
        pixels = torch.zeros(self.task.num_seen, dtype=torch.int64, device=self.weights.device)
        for batch in batches:
            pixels += joint_pixels(teacher(batch.image).logits, self.target_of(batch), self.task.num_seen)
        sum_over_processes(pixels)
        self.weights = weights_of(pixels)

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """L."""
        if not self.task.new:
            return super().supervision(new, old_logits, target)
        favour = self.options.favour_rare
        return {"ce": joint_cross_entropy(new.logits, old_logits, target, self.weights, favour)}


def weights_of(pixels: Tensor) -> Tensor:
    """W [C] of classes with so many pixels [C]; the mean over pixels is 1. Without any pixel all weigh 1."""
    shares = pixels.float() / pixels.sum().clamp(min=1)
    weights = 1 / (shares + RAREST)
    mean = (shares * weights).sum()
    return weights / mean if mean > 0 else torch.ones_like(weights)
