"""STAR: features of old classes are invented anew from a few numbers per class, so that new rows learn to refuse them.

J. Chen, R. Cong, Y. Luo, H. H. S. Ip, S. Kwong: Saving 100x Storage: Prototype Replay for Reconstructing Training
Sample Distribution in Class-Incremental Semantic Segmentation, NeurIPS 2023 (no arXiv number known, nor the numbers of
its eq.). On the template of DKD (`sigmoid.py`), without an auxiliary classifier.

    L = (L_mbce + w_0 L_background + Σ_{c old} w_c L_c) / (1 + w_0 + Σ_c w_c) + λ_f L_features + λ_c L_contrast
    L_mbce       = mean_i Σ_{k new} BCE(z_i(k), [y_i = k]), positives weighted          `class_bce`
    L_background = the same with a label of 0, over pixels labelled background of which
                   the previous model says so, too                                     `absence`
    L_c          = the same, over features drawn from the prototype of class c         `weighted_absence`
    L_features   = mean over places and channels of (f - f_old)², where the label is
                   background and the previous model sees a class                      `feature_mse`
    L_contrast   = mean over new classes k of 1 / min_c ‖m_k - p_c‖                     `centre_repulsion`
    w_c          = places of c that this step lacks / labelled places of its tiles     `begin`

f: the decoder's map. What the step lacks: the places that c had in the step that learned it, without those that the
labels of this step and, in their background, the previous model call c; at least 0. So classes come as often as if all
tiles were there at once. m_k: mean direction of the features of class k in the batch. The previous model sees a class
where its sigmoid is above 1/2. Step 0 is L_mbce alone, a step without new classes too; after step 0, statistics of
batch norms and dropout rest. Old rows have no term, and stay as they are.

State, from one pass after each step: prototype, noise, norm, spread and count of each class (`prototypes.py`), at the
decoder's resolution (published: at stride 16), and of the background its count at step 0.

Deviation: a fixed number of features is drawn per class and iteration and weighs as w_c says; published, as many are
drawn as are lacking. Deviation: sigmoids are compared with 1/2 (published, in training: scores with 1/2). Deviation:
the published correction of counts in overlapped tasks by fixed shares is left out; the pass over the tiles counts
them. Deviation: ignored pixels count nowhere. Deviation: STAR-M, which replays images, is left out. Deviation: one
learning rate and one weight decay for all.
"""

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saticl.errors import InvalidCheckpoint
from saticl.labels import BACKGROUND, IGNORE
from saticl.losses import absence, centre_repulsion, class_bce, feature_mse, nearest_labels, weighted_absence
from saticl.methods.base import Criterion, Network
from saticl.methods.options import STAROptions
from saticl.methods.processes import sum_over_processes
from saticl.methods.prototypes import Prototypes, Sums
from saticl.methods.sigmoid import PerClass, segmenter, unclaimed
from saticl.options import KDOptions
from saticl.tasks import Task
from saticl.types import Batch, Labels, Logits, Output, Terms

SECTION = "star."
"""What the names of its state begin with."""


class STAR(PerClass):
    """Prototype replay, kept features, and contrast."""

    counted = ("lacking",)
    options: STAROptions

    def __init__(self, task: Task, criterion: Criterion, kd: KDOptions, options: STAROptions) -> None:
        super().__init__(task, criterion, kd, options)
        self.known: Prototypes | None = None
        """Of all output indices of the steps that are over."""
        self.directions = torch.empty(0)
        """[C, D], of the old classes of which places were seen."""
        self.lacking = torch.zeros(task.num_old)
        """w [num_old]."""

    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """Old rows have no term."""
        if self.is_later:
            segmenter(student).heads[:-1].requires_grad_(False)

    @torch.no_grad()
    def begin(self, student: nn.Module, teacher: Network | None, batches: Iterable[Batch]) -> None:
        """w, from one pass over the training tiles."""
        if teacher is None or not self.is_later:
            return
        before = self.before
        counts = torch.zeros(IGNORE + 1, dtype=torch.int64, device=before.count.device)
        for batch in batches:
            coarse = teacher(batch.image).coarse
            labels = nearest_labels(batch.target, coarse.shape[-2:])
            called = seen(coarse).where(labels == BACKGROUND, labels)
            counts += torch.bincount(called.flatten(), minlength=len(counts))
        sum_over_processes(counts)
        labelled = counts[:IGNORE].sum().clamp(min=1)
        self.lacking = (before.count - counts[: self.task.num_old]).clamp(min=0) / labelled

    def terms(self, batch: Batch, student: Network, teacher: Network | None, generator: torch.Generator) -> Terms:
        """See above."""
        new, target = student(batch.image), batch.target
        scores = new.logits[:, self.taught.start :]
        loss = class_bce(scores, target, self.taught, self.options.pos_weight)
        if teacher is None or not self.is_later:
            return {"ce": loss}
        old = teacher(batch.image)
        background = (target == BACKGROUND) & (seen(old.logits) == BACKGROUND)
        number = self.options.replayed
        invented = self.before.rows(slice(1, None)).draw(number, generator)
        refused = among_their_like(segmenter(student).heads[-1], invented.flatten(0, 1))
        by_class = refused.unflatten(0, (-1, number)).transpose(1, 2).flatten(3)
        share = 1 / (1 + self.lacking.sum())
        return {
            "ce": share * loss,
            "background": share * self.lacking[BACKGROUND] * absence(scores, background),
            "replay": share * weighted_absence(by_class, self.lacking[1:]),
            **self.kept(new, old, nearest_labels(target, old.coarse.shape[-2:])),
        }

    def kept(self, new: Output, old: Output, labels: Labels) -> Terms:
        """L_features and L_contrast, from the labels of places [B, h, w]."""
        hidden = (labels == BACKGROUND) & (seen(old.coarse) != BACKGROUND)
        features = new.pixels.movedim(1, -1).flatten(0, -2)
        contrast = centre_repulsion(features, labels.flatten(), self.taught, self.directions)
        return {
            "features": self.options.features_factor * feature_mse(new.pixels, old.pixels, hidden[:, None]),
            "contrast": self.options.contrast_factor * contrast,
        }

    @torch.no_grad()
    def consolidate(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """Prototypes of the new classes, at step 0 of the background too."""
        if not self.task.new:
            return
        sums, training = Sums(self.task.num_seen), student.training
        student.eval()
        for batch in batches:
            pixels = student(batch.image).pixels
            sums.add(pixels, nearest_labels(batch.target, pixels.shape[-2:]))
        student.train(training)
        found = sums.prototypes()
        self.known = self.before.followed_by(found.rows(slice(self.task.num_old, None))) if self.is_later else found

    @property
    def before(self) -> Prototypes:
        """What earlier steps have left."""
        if self.known is None:
            raise of_another_method({})
        return self.known

    def export_state(self) -> dict[str, Tensor]:
        """The prototypes."""
        return {} if self.known is None else {SECTION + name: tensor for name, tensor in self.known.state.items()}

    def import_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over prototypes; refuses the state of another method."""
        names = [SECTION + name for name in Prototypes.names()]
        if sorted(state) != sorted(names):
            raise of_another_method(state)
        self.known = Prototypes(*(state[name] for name in names))
        self.directions = self.known.direction[1:][self.known.count[1:] > 0]


def seen(scores: Logits) -> Labels:
    """The class of every pixel [B, H, W]; background where no sigmoid is above 1/2."""
    return unclaimed(scores).argmax(1)


def among_their_like(head: nn.Module, features: Tensor) -> Logits:
    """Scores [N, K, n, n] of features [N, D] by a head that may see more than one place: all around are the same."""
    side = head.get_parameter("weight").shape[-1]
    scores = head(features[..., None, None].expand(-1, -1, side, side))
    return F.pad(scores, [-(side // 2)] * 4) if side % 2 else scores


def of_another_method(state: Mapping[str, Tensor]) -> InvalidCheckpoint:
    """What to say of a previous step without prototypes."""
    return InvalidCheckpoint(
        f"The previous step holds {', '.join(sorted(state)[:3]) or 'no state'} in place of star's prototypes: it was "
        "trained with another method. Use --method star for every step."
    )
