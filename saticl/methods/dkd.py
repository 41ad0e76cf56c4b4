"""DKD: one sigmoid per class, and what speaks for a class and what speaks against it are distilled apart.

D. Baek, Y. Oh, S. Lee, J. Lee, B. Ham: Decomposed Knowledge Distillation for Class-Incremental Semantic Segmentation,
NeurIPS 2022, arXiv:2210.05941.

    L = L_mbce + λ_ac L_ac + λ_kd L_kd + λ_dkd (L_dkd+ + L_dkd-)
    L_mbce = mean_i Σ_{k new} BCE(z_i(k), [y_i = k]), positives weighted               `class_bce`
    L_ac   = mean_i BCE(a_i, 0), a: an auxiliary classifier on detached features        `absence`
    L_kd   = mean_i Σ_{k old} BCE(z_i(k), σ(z_old_i(k)))                               `sigmoid_distillation`
    L_dkd± = the same of f·w±_k and f_old·w_old±_k, the features times the positive
             (negative) part of the weights of class k, without bias, at the decoder's
             resolution                                                                `products`

f: the decoder's map. Sums over classes leave the background out: it has no score, and a pixel is background where no
sigmoid is above 1/2 (`sigmoid.py`). Row 0 of the first head, the background's in other methods, is the auxiliary
classifier: it learns what is no known class, and new classes start as copies of it, weights and bias. Step 0 has
L_mbce and L_ac; after it, statistics of batch norms and dropout rest. A step without new classes is as step 0.

State: none but the network. Deviation: DKD-M, which replays images, is left out. Deviation: ignored pixels have no
part in L_mbce and L_ac (published: they show none of the classes). Deviation: features are those before dropout, and
where the decoder ends in a leaky ReLU they may be a little below 0, so that a product with w+ may be, too. Deviation:
one learning rate and one weight decay for all (published: ten times the rate in the last layers, and after step 0
decay for new rows alone).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from saticl.labels import BACKGROUND, IGNORE
from saticl.losses import absence, class_bce, sigmoid_distillation
from saticl.methods.base import Network
from saticl.methods.options import DKDOptions
from saticl.methods.sigmoid import PerClass, previous, segmenter
from saticl.models.segmenter import Segmenter
from saticl.models.unet import resize
from saticl.types import Batch, Feature, Logits, Output, Terms


class DKD(PerClass):
    """L_kd is weighted by `kd.decoder_factor`, L_dkd± by `dkd.parts_factor`."""

    options: DKDOptions

    @torch.no_grad()
    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """New rows are copies of the auxiliary classifier's."""
        if not self.is_later:
            return
        heads = segmenter(student).heads
        for copy, row in zip(heads[-1].parameters(), heads[0].parameters(), strict=True):
            copy.copy_(row[BACKGROUND].expand_as(copy))

    def terms(self, batch: Batch, student: Network, teacher: Network | None, generator: torch.Generator) -> Terms:
        """See above."""
        new = student(batch.image)
        options, taught = self.options, self.taught
        scores = new.logits[:, taught.start :]
        weight = options.later_pos_weight if self.is_later else options.pos_weight
        unknown = resize(auxiliary(segmenter(student), new.pixels), batch.target.shape[-2:])
        terms = {
            "ce": class_bce(scores, batch.target, taught, weight),
            "auxiliary": options.auxiliary_factor * absence(unknown, batch.target != IGNORE),
        }
        if teacher is None or not self.is_later:
            return terms
        return terms | self.kept(new, teacher(batch.image), segmenter(student), previous(teacher))

    def kept(self, new: Output, old: Output, student: Segmenter, teacher: Segmenter) -> Terms:
        """The three terms of distillation."""
        found = {"kd": self.kd.decoder_factor * sigmoid_distillation(new.logits[:, 1:], old.logits[:, 1:])}
        for name, sign in (("positive", 1), ("negative", -1)):
            ours, theirs = products(student, new.pixels, sign), products(teacher, old.pixels, sign)
            found[name] = self.options.parts_factor * sigmoid_distillation(ours, theirs)
        return found


def auxiliary(student: Segmenter, pixels: Feature) -> Logits:
    """Scores [B, 1, h, w] of the auxiliary classifier, which never teaches the features."""
    scores: Tensor = student.heads[0](pixels.detach())
    return scores[:, :1]


def products(network: Segmenter, pixels: Feature, sign: int) -> Logits:
    """What speaks for the classes (`sign` 1) or against them (-1), of all heads but for the background's row.

    [B, D, h, w] to [B, K - 1, h, w]: features times the positive or negative part of the weights, without bias.
    """
    scores = []
    for head in network.heads:
        weight, bias = head.get_parameter("weight"), head.get_parameter("bias")
        part = sign * (sign * weight).relu()
        scores.append(functional_call(head, {"weight": part, "bias": torch.zeros_like(bias)}, (pixels,)))
    return torch.cat(scores, dim=1)[:, 1:]
