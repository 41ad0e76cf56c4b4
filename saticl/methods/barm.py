"""BARM: the background of a step is that of step 0 and a residual per step.

A. Zhang, G. Gao: Background Adaptation with Residual Modeling for Exemplar-Free Class-Incremental Semantic
Segmentation, ECCV 2024, arXiv:2407.09838.

    b = r_0 + Σ_{s >= 1} min(r_s, 0)                 score of the background     `EarClassifier` (models/ears.py)
    L = L_bce + 5 L_res + 4 Σ_{s < t} L_ear,s + Σ_{s < t} L_kd,s + L_new
    L_bce   = mean_i Σ_k BCE(z_i(k), [ỹ_i = k]), background among the k             `class_bce`
    ỹ_i     = y_i; where that is background, the teacher's class if its sigmoid is
              at least 0.7                                                         `labels`
    L_res   = mean over background of max(0, (σ(r_t) - 1)² - σ(r_t)²)               `presence_margin`
    L_ear,s = mean over all of (m e_s - m e_old,s)², m = 1 in the background        `feature_mse`
    L_kd,s  = mean_i Σ_k BCE(h_s(k), σ(h_old,s(k))), the residual among the k       `sigmoid_distillation`
    L_new   = mean over new classes of BCE(r_t, 0)                                 `absence`

Every step s has an ear e_s (3x3 convolution, batch norm, ReLU) behind the decoder, and a head h_s whose first output
is the residual r_s of the background; a new ear starts as a copy of that of step 0. In training, the current residual
r_t is not clamped, and b takes the others without gradient. In L_bce the scores of old classes have no gradient: they
are left out, which changes its value by what does not depend on the weights. Background in L_res, L_ear and L_new is
that of the labels of the step, not ỹ. Step 0 is L_bce of all classes alone, a step without new classes too, where
nothing is detached. After step 0, statistics of batch norms and dropout rest. A pixel's class is that of the largest
score.

State: none but the network.

Deviation: our heads see the decoder's map directly, so step 0 gets an ear, too. Deviation: L_ear and L_kd are taken at
the decoder's resolution, with the nearest labels; L_res and L_new on residuals enlarged to the size of the image.
Deviation: ignored pixels count nowhere but in L_kd. Deviation: rates are those of the user; in later steps all but the
decoder and the new ear and head learn with `barm.old_rate` of it (published: 0.1).
"""

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import nn

from saticl.errors import InvalidCheckpoint
from saticl.labels import BACKGROUND
from saticl.losses import absence, class_bce, feature_mse, nearest_labels, presence_margin, sigmoid_distillation
from saticl.methods.base import Method, Network
from saticl.methods.frozen import number_of_heads
from saticl.methods.options import BARMOptions
from saticl.methods.phases import Phase
from saticl.methods.sigmoid import previous, segmenter
from saticl.models.classifier import Classifier
from saticl.models.ears import EarClassifier
from saticl.models.unet import resize
from saticl.tasks import Task
from saticl.types import Batch, Labels, Logits, Output, Scalar, Terms


class BARM(Method):
    """L_kd is weighted by `kd.decoder_factor`, the others by its own options."""

    needs_own_base = True
    options: BARMOptions

    @classmethod
    def rebuild(cls, student: nn.Module, task: Task) -> None:
        """A classifier with an ear per step in place of the plain one."""
        plain = cast(Classifier, student.classifier)
        student.classifier = EarClassifier(plain, task.head_sizes)

    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """The ear of step 0; later ones are there already, see `EarClassifier.grow`."""
        if self.task.step == 0:
            self.rebuild(student, self.task)
        classifier = student.classifier
        if not isinstance(classifier, EarClassifier):
            raise InvalidCheckpoint(
                "The network of the previous step has no ears: it was trained with another method than barm, whose "
                "background is that of its own step 0. Use --method barm for every step."
            )
        classifier.current = self.current

    def phases(self) -> Sequence[Phase]:
        """What earlier steps have learned moves slowly."""
        if self.current is None or self.task.step == 0:
            return super().phases()
        new = ("student.body.decoder.", *(f"student.classifier.{part}.{self.current}." for part in ("ears", "heads")))
        return (Phase(rates={"student.": self.options.old_rate, **dict.fromkeys(new, 1.0)}),)

    def resting(self, student: nn.Module) -> Iterable[nn.Module]:
        """All batch norms and dropouts; the classifier itself must know that it is trained."""
        if self.current is None or self.task.step == 0:
            return ()
        return (student.body, ears(student).dropout, ears(student).ears)  # type: ignore[return-value]  # bodies are modules

    def terms(self, batch: Batch, student: Network, teacher: Network | None, generator: torch.Generator) -> Terms:
        """See above."""
        new, target = student(batch.image), batch.target
        if teacher is None or not self.task.new:
            return {"ce": class_bce(new.logits, target, range(self.task.num_seen))}
        old = teacher(batch.image)
        taught = (BACKGROUND, *range(self.task.num_old, self.task.num_seen))
        scores = torch.cat([new.logits[:, :1], new.logits[:, self.task.num_old :]], dim=1)
        return {
            "ce": class_bce(scores, self.labels(old.logits, target), taught),
            **self.kept(new, old, target, ears(segmenter(student)), ears(previous(teacher))),
        }

    def labels(self, old_logits: Logits, target: Labels) -> Labels:
        """Labels in which background is an old class where the teacher is sure of it."""
        score, said = old_logits.float().max(1)
        return said.where((target == BACKGROUND) & (score.sigmoid() >= self.options.confidence), target)

    def kept(self, new: Output, old: Output, target: Labels, ours: EarClassifier, theirs: EarClassifier) -> Terms:
        """All terms but L_bce."""
        heard, heard_before = ours.heard(new.pixels), theirs.heard(old.pixels)
        scores, scores_before = ours.scored(heard), theirs.scored(heard_before)
        residual = resize(scores[-1][:, :1], target.shape[-2:])
        hidden = (nearest_labels(target, new.pixels.shape[-2:]) == BACKGROUND)[:, None]
        pairs = zip(heard, heard_before, strict=False)  # the last ear is new
        features = [feature_mse(e * hidden, e_old * hidden) for e, e_old in pairs]
        outputs = [sigmoid_distillation(h, h_old) for h, h_old in zip(scores, scores_before, strict=False)]
        options, is_new = self.options, (target >= self.task.num_old) & (target < self.task.num_seen)
        return {
            "residual": options.residual_factor * presence_margin(residual[:, 0], target == BACKGROUND),
            "features": options.features_factor * total(features),
            "kd": self.kd.decoder_factor * total(outputs),
            "absence": options.absence_factor * absence(residual, is_new),
        }

    @property
    def current(self) -> int | None:
        """Index of this step's ear; None where it has none."""
        return number_of_heads(self.task) - 1 if self.task.new else None


def ears(network: nn.Module) -> EarClassifier:
    """The classifier of a network of this method."""
    return cast(EarClassifier, network.classifier)


def total(terms: Sequence[Scalar]) -> Scalar:
    """The sum of at least one."""
    return torch.stack(list(terms)).sum()
