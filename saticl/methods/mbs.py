"""MBS: what may be an old class is never trained as background, and features stay most where background was seen.

G. Park, W. Moon, S. Lee, T.-Y. Kim, J.-P. Heo: Mitigating Background Shift in Class-Incremental Semantic Segmentation,
ECCV 2024, arXiv:2407.11859.

    L = CE(z, ỹ) + λ_F L_fd + λ L_lgd + λ_O L_or
    ỹ_i   = y_i where y_i is not background; else c_i, the teacher's class, where that is old with p_i(c_i) >= θ;
            else ignored where p_i(0) < Σ_{k > 0} p_i(k); else background                   `old_labels`
    L_fd  = mean of w_i mean_d (f_i - f_old,i)² over the positions with w_i > 0            `weighted_mse`
    w_i   = 1 where ỹ_i is old, p_i(0) where it is background, 0 where it is new or ignored
    L_lgd = mean_i -Σ_{k seen} t_i(k) log q_i(k); t = p, but where y is new p(0) moves to y `label_guided_distillation`
    L_or  = |new| / |seen| · mean of |cos(row_new, any other row)|                         `row_overlap`

p: teacher's softmax, q: student's, over all classes; f: the decoder's map, on which ỹ and p are those of the small
scores and of the nearest label; rows: weights of the heads. Only the new row of a pair in L_or carries gradient; that
depends on nothing but weights, so it is added to the gradient of the other terms. New classes start from the
background's classifier. Where a step brings no new class, ỹ = y and there is no L_or. Step 0 is plain cross entropy.

Deviation: the paper's network is a transformer with one token per class; in place of tokens of patches and classes
stand the decoder's map and the rows of the heads, and the tokens of old classes, which the paper also keeps, have no
counterpart. Deviation: copied rows also lower their bias and the background's (docs/decisions/0002). Deviation: L_lgd
is the sum over classes, not the mean, so that λ does not depend on their number: the published 25 (VOC) and 50 (ADE)
are 1.2 and 0.3 after the last step.
"""

from typing import Any

import torch
from torch import Tensor, nn

from saticl.labels import BACKGROUND
from saticl.losses import label_guided_distillation, nearest_labels, old_labels, row_overlap, weighted_mse
from saticl.methods.base import Method
from saticl.methods.options import MBSOptions
from saticl.types import Labels, Logits, Output, Terms


class MBS(Method):
    """Selective labels, features and scores that stay (these weighted by `kd.decoder_factor`), orthogonal rows."""

    options: MBSOptions

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """CE(z, ỹ)."""
        return {"ce": self.criterion(new.logits, self.labels(old_logits, target))}

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """L_lgd and L_fd."""
        return {
            "kd": self.kd.decoder_factor * label_guided_distillation(new.logits, old.logits, target),
            "features": self.options.features_factor * weighted_mse(new.pixels, old.pixels, self.weight(old, target)),
        }

    def after_backward(self, student: nn.Module) -> Terms:
        """L_or, whose gradient is added to that of the terms; nothing where the new head is frozen."""
        heads: Any = student.heads
        newest = heads[-1].weight
        if self.task.step == 0 or not self.task.new or newest.grad is None:
            return {}
        share = self.task.num_new / self.task.num_seen
        rows = torch.cat([head.weight.flatten(1) for head in heads])
        overlap = self.options.orthogonality_factor * share * row_overlap(rows, self.task.num_new)
        newest.grad += torch.autograd.grad(overlap, newest)[0]
        return {"orthogonality": overlap.detach()}

    def labels(self, old_logits: Logits, target: Labels) -> Labels:
        """ỹ: background at half of the probability has as much as all old classes together."""
        if not self.task.new:
            return target
        probability, said = old_logits.float().softmax(1).max(1)
        confident = probability >= torch.where(said == BACKGROUND, 0.5, self.options.confidence)
        return old_labels(target, old_logits, confident)

    def weight(self, old: Output, target: Labels) -> Tensor:
        """How much features stay, w of the formula: [B, h, w]."""
        labels = self.labels(old.coarse, nearest_labels(target, old.coarse.shape[-2:]))
        background = old.coarse.float().softmax(1)[:, BACKGROUND]
        weight = torch.where(labels == BACKGROUND, background, 1.0)
        return weight.where(labels < self.task.num_old, 0)
