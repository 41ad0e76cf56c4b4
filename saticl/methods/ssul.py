"""SSUL: the network stays as step 0 left it, and what is not known yet is a class from which new ones start.

S. Cha, B. Kim, Y. Yoo, T. Moon: SSUL: Semantic Segmentation with Unknown Label for Exemplar-based Class-Incremental
Learning, NeurIPS 2021, arXiv:2106.11562.

    L = mean_i Σ_k BCE(z_i(k), [ỹ_i = k])       over all classes and the unknown      `class_bce`
    ỹ_i = y_i where that is a class
          the teacher's class c_i where y_i is background, c_i an old class, and σ(z_old_i(c_i)) >= 0.7   `supervision`
          else unknown, or background where the saliency map of the tile is 0        `target_of`
    p(background) = σ(background) + σ(unknown), p(k) = σ(k), divided by their sum      `decode`

The unknown is a row of its own, whose score comes after those of all classes (`Classifier.further`). From step 1 on
only this row and those of the new classes learn, and that of the background a 10,000th as fast; new rows start as
copies of the unknown's. Without saliency (`ssul.unknown rest`, as published for ADE) all background is unknown.
SSUL-M (`ssul.memory`): tiles of earlier steps are replayed, with the labels of the step they were kept at, which go
the same way as all others. Step 0, and a step that brings no new class, trains all weights without a teacher.

Heads are the network's, 1x1 by default, as the paper draws them; the published code has 3x3 convolutions in them.
Deviation from that code: labels of memory are not shifted against the others, and show the classes of their step, not
all classes seen. Deviation: kept tiles come once per epoch like all others, not as half of every batch. Deviation:
probabilities are divided by their sum, which changes no class map.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saticl.labels import BACKGROUND
from saticl.losses import class_bce
from saticl.methods.base import Criterion
from saticl.methods.frozen import Frozen
from saticl.methods.options import SSULOptions
from saticl.models.segmenter import Segmenter
from saticl.options import KDOptions
from saticl.runs.memory import Kept, balanced
from saticl.tasks import Task
from saticl.tiles.index import Tile
from saticl.types import Batch, Labels, Logits, Output, Terms

SALIENCY = "saliency"
"""The map of a tile that is above 0 where something stands out."""

BACKGROUND_RATE = 1e-4
"""Factor on the learning rate of the background's row."""


class SSUL(Frozen):
    """One sigmoid per class and one for the unknown, on a frozen network; `ce` has no part."""

    needs_own_base = True
    options: SSULOptions

    def __init__(self, task: Task, criterion: Criterion, kd: KDOptions, options: SSULOptions) -> None:
        super().__init__(task, criterion, kd, options)
        self.maps = (SALIENCY,) if options.unknown == "salient" else ()  # type: ignore[misc]  # as the options say
        self.held: tuple[Tensor, ...] = ()
        """Rows of old classes in the weights of the first head, as they stay."""

    @property
    def unknown(self) -> int:
        """Output index of the unknown: behind all classes."""
        return self.task.num_seen

    @classmethod
    def rebuild(cls, student: nn.Module, task: Task) -> None:
        """Add the row of the unknown."""
        cast(Segmenter, student).classifier.add_further(1)

    @torch.no_grad()
    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """New rows start from the unknown's; remember those that stay."""
        classifier = cast(Segmenter, student).classifier
        if not classifier.further:
            self.rebuild(student, self.task)
        if not self.is_frozen:
            return
        for new, unknown in zip(classifier.heads[-1].parameters(), classifier.further[0].parameters(), strict=True):
            new.copy_(unknown.expand_as(new))
        self.held = tuple(weight[1:].clone() for weight in classifier.heads[0].parameters())

    def besides(self) -> Mapping[str, float]:
        """The unknown, and the background in the first head."""
        return {"student.classifier.further.": 1.0, "student.classifier.heads.0.": BACKGROUND_RATE}

    def target_of(self, batch: Batch) -> Labels:
        """Background that is not known becomes the unknown."""
        hidden = batch.target == BACKGROUND
        if self.options.unknown == "salient":
            hidden &= batch.maps[SALIENCY] > 0
        return batch.target.masked_fill(hidden, self.unknown)

    def initial(self, new: Output, target: Labels) -> Terms:
        """Of the labels as they are."""
        return {"ce": class_bce(new.logits, target, range(new.logits.shape[1]))}

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """The teacher's labels of old classes among them."""
        if not self.task.new:
            return self.initial(new, target)
        score, said = old_logits.float().sigmoid().max(1)
        is_old = (said != BACKGROUND) & (said < self.task.num_old)
        is_free = (target == BACKGROUND) | (target == self.unknown)
        return self.initial(new, said.where(is_free & is_old & (score >= self.options.confidence), target))

    def after_backward(self, student: nn.Module) -> Terms:
        """Rows of old classes count in no norm of gradients."""
        for weight in cast(Segmenter, student).heads[0].parameters() if self.held else ():
            if weight.grad is not None:
                weight.grad[1:] = 0
        return {}

    @torch.no_grad()
    def after_step(self, student: nn.Module) -> None:
        """Rows of old classes are as they were: the decay of weights has moved them."""
        for weight, rows in zip(cast(Segmenter, student).heads[0].parameters(), self.held, strict=False):
            weight[1:] = rows

    def remember(self, known: Sequence[Kept], tiles: Sequence[Tile]) -> Sequence[Kept]:
        """As many tiles as `ssul.memory` says, shared alike among the classes."""
        return balanced(known, tiles, self.task, self.options.memory)

    @classmethod
    def decode(cls, output: Output) -> Tensor:
        """Sigmoids, the unknown's added to the background's, divided by their sum."""
        shares = F.logsigmoid(output.logits.float()).softmax(1)  # σ / Σ σ, also where all σ are 0 in float32
        return torch.cat([shares[:, :1] + shares[:, -1:], shares[:, 1:-1]], dim=1)
