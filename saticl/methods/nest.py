"""NeST: the classifier of new classes is tuned first, as a transform of the old one; then the step is MiB's.

Z. Xie, H. Lu, J. Xiao, E. Wang, L. Zhang, X. Liu: Early Preparation Pays Off: New Classifier Pre-tuning for Class
Incremental Semantic Segmentation, ECCV 2024, arXiv:2407.14142.

    w_k = v_kᵀ (M_k ⊙ W_old)                                                `Generated.classifier`
    S_k(c, d) = mean over pixels i of class k of p_i(c) · 1[f_id w_cd > 0]  `agreement`
    M_k starts as S_k, v_k as softmax_c Σ_d S_k(c, d), b_k as the bias of the background
    phase 1   L_unce alone (MiB, arXiv:2002.00718, eq. 3) moves M, v, b and m_0, where w_0 = m_0 ⊙ w_0,old
    between   w_k <- w_k · mean ‖W_old‖ / mean ‖W_new‖, w_0 keeps its norm, b_k by the ratio of biases
              `Generated.settled`
    phase 2   MiB's terms; the rows are plain weights

W_old: rows of all old heads; f: the decoder's last map; p: the teacher's softmax, both at the decoder's resolution
(published: 128 x 128). In phase 1, of `nest.epochs`, the network rests, dropout and batch norm included. After every
move the settled rows are written into the heads, so what is validated and kept is what phase 2 starts from. Which
phase it is, is told by what is trained: in phase 2, M is frozen.

Deviation: a class without a pixel, of which there is no mean, starts as the background (M_k = 1 there, 0 elsewhere).
Deviation: biases are compared by root mean squares; the published code takes norms, which grow with the number of
classes. Deviation: heads that see more than one pixel use the features of the middle one in S. λ is 1, as in `mib.py`.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from saticl.labels import BACKGROUND
from saticl.losses import nearest_labels
from saticl.methods.base import Criterion
from saticl.methods.mib import MiB
from saticl.methods.options import NeSTOptions
from saticl.methods.phases import Phase
from saticl.methods.processes import sum_over_processes
from saticl.models.classifier import score
from saticl.models.unet import resize
from saticl.options import KDOptions
from saticl.tasks import Task
from saticl.types import Batch, Feature, Labels, Logits, Output, Terms

Rows = tuple[Tensor, Tensor]
"""Weights [K, D, k, k] and biases [K] of a classifier."""


class NeST(MiB):
    """MiB, before which the new rows are tuned as transforms of the old ones."""

    options: NeSTOptions

    def __init__(self, task: Task, criterion: Criterion, kd: KDOptions, options: NeSTOptions) -> None:
        super().__init__(task, criterion, kd, options)
        self.generated: Generated | None = None

    @torch.no_grad()
    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """M, v and b, from one pass over the training tiles."""
        if teacher is None or not self.task.new:
            return
        *old, _ = heads_of(student)
        rows = torch.cat([head.weight for head in old]).clone()
        biases = torch.cat([head.bias for head in old if head.bias is not None]).clone()
        self.generated = Generated(rows, biases, self._agreement(rows, teacher, batches))
        self._write(student, self.generated)

    def _agreement(self, rows: Tensor, teacher: nn.Module, batches: Iterable[Batch]) -> Tensor:
        """S of every new class [new, old, D, k, k], over the tiles of all processes."""
        new, (num_old, width) = range(self.task.num_old, self.task.num_seen), rows.shape[:2]
        above, below = (rows.new_zeros(len(new), num_old, width) for _ in range(2))
        counts = rows.new_zeros(len(new))
        for batch in batches:
            old: Output = teacher(batch.image)
            labels = nearest_labels(batch.target, old.pixels.shape[-2:])
            for place, label in enumerate(new):
                shows = labels == label
                above[place] += agreement(old.coarse, old.pixels, shows)
                below[place] += agreement(old.coarse, -old.pixels, shows)
                counts[place] += shows.sum()
        sum_over_processes(above, below, counts)
        return starting_masks(rows, above, below, counts)

    def phases(self) -> Sequence[Phase]:
        """The rows alone, then everything but what made them."""
        if self.generated is None:
            return (Phase(),)
        alone = {"": 0.0, "method.": 1.0}
        return Phase("tune", max_epochs=self.options.epochs, rates=alone), Phase(rates={"method.": 0.0})

    @property
    def tuned(self) -> "Generated | None":
        """What makes the new rows, as long as it is trained."""
        return self.generated if self.generated is not None and self.generated.masks.requires_grad else None

    def resting(self, student: nn.Module) -> Iterable[nn.Module]:
        """The whole network, while rows are tuned."""
        return () if self.tuned is None else (student,)

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """Eq. 3 of MiB, at first of the generated rows."""
        if self.tuned is None:
            return super().supervision(new, old_logits, target)
        scores = score(new.pixels, *self.tuned.classifier())
        return {"ce": self.criterion(resize(scores, new.logits.shape[-2:]), target, self.task.num_old)}

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """Eq. 8 of MiB, once the network moves."""
        return super().distillation(new, old, target) if self.tuned is None else {}

    @torch.no_grad()
    def after_step(self, student: nn.Module) -> None:
        """Write the tuned rows."""
        if self.tuned is not None:
            self._write(student, self.tuned)

    def export_state(self) -> dict[str, Tensor]:
        """Nothing: the rows are the student's."""
        return {}

    def _write(self, student: nn.Module, generated: "Generated") -> None:
        """The settled rows into the heads: those of new classes and the background's."""
        rows, biases = generated.settled()
        first, *_, last = heads_of(student)
        first.weight[BACKGROUND] = rows[BACKGROUND]
        last.weight.copy_(rows[self.task.num_old :])
        if last.bias is not None:
            last.bias.copy_(biases[self.task.num_old :])


class Generated(nn.Module):
    """A classifier whose new rows are made of old ones.

    Args:
        rows: W_old [old, D, k, k].
        biases: [old].
        masks: M [new, old, D, k, k] to start from.
    """

    rows: Tensor
    biases: Tensor

    def __init__(self, rows: Tensor, biases: Tensor, masks: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows)
        self.register_buffer("biases", biases)
        self.masks = nn.Parameter(masks)
        self.mixtures = nn.Parameter(masks.flatten(2).sum(2).softmax(1))
        self.bias = nn.Parameter(biases[BACKGROUND].repeat(len(masks)))
        self.background = nn.Parameter(torch.ones_like(rows[BACKGROUND]))

    def classifier(self) -> Rows:
        """Rows and biases of all classes, background first."""
        new = torch.einsum("nc,ncdij,cdij->ndij", self.mixtures, self.masks, self.rows)
        background = self.background * self.rows[BACKGROUND]
        return torch.cat([background[None], self.rows[1:], new]), torch.cat([self.biases, self.bias])

    def settled(self) -> Rows:
        """The same, new ones and the background's as long as the old ones were."""
        rows, biases = self.classifier()
        num_old = len(self.rows)
        before, new = lengths(self.rows), lengths(rows[num_old:])
        background = rows[:1] * ratio(before[:1], lengths(rows[:1]))[:, None, None, None]
        sized = rows[num_old:] * ratio(before.mean(), new.mean())
        shifted = self.bias * ratio(self.biases.square().mean().sqrt(), self.bias.square().mean().sqrt())
        return torch.cat([background, rows[1:num_old], sized]), torch.cat([biases[:num_old], shifted])


def agreement(scores: Logits, features: Feature, shows: Tensor) -> Tensor:
    """Sum over the pixels that `shows` [B, h, w] marks of p_i(c) · 1[f_id > 0]: [old, D].

    Args:
        scores: the teacher's [B, old, h, w], whose softmax is p.
        features: [B, D, h, w].
        shows: bool [B, h, w].
    """
    probabilities = scores.float().softmax(1) * shows[:, None]
    return torch.einsum("bchw,bdhw->cd", probabilities, (features > 0).float())


def starting_masks(rows: Tensor, above: Tensor, below: Tensor, counts: Tensor) -> Tensor:
    """S [new, old, D, k, k] from the sums over pixels with positive and with negative features.

    Args:
        rows: W_old [old, D, k, k], of which the sign counts.
        above: [new, old, D], of positive features.
        below: [new, old, D], of negative ones.
        counts: pixels of every new class [new]; without one S is 1 for the background and 0 for all others.
    """
    positive, negative = (sums[..., None, None] for sums in (above, below))
    sums = positive.where(rows > 0, negative.where(rows < 0, 0))
    background = torch.zeros_like(rows)
    background[BACKGROUND] = 1
    seen = counts.view(-1, 1, 1, 1, 1)
    return (sums / seen.clamp(min=1)).where(seen > 0, background)


def lengths(rows: Tensor) -> Tensor:
    """Norm of every row [K]."""
    norms: Tensor = rows.flatten(1).norm(dim=1)
    return norms


def ratio(wanted: Tensor, found: Tensor) -> Tensor:
    """What `found` is multiplied by to be `wanted`; 1 where one of them is 0."""
    return (wanted / found).where((found > 0) & (wanted > 0), 1)


def heads_of(student: nn.Module) -> list[nn.Conv2d]:
    """The heads of a segmenter, in learning order."""
    return list(student.get_submodule("classifier.heads").children())  # type: ignore[arg-type]  # all are convolutions
