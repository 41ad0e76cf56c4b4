"""SDR: features of a class lie close together, far from other classes, where they were before, in few channels.

U. Michieli, P. Zanuttigh: Continual Semantic Segmentation via Repulsion-Attraction of Sparse and Disentangled Latent
Representations, CVPR 2021, arXiv:2103.06342.

    L = L_unce + λ L_unkd + λ_pm L_pm + λ_cl (L_att + L_rep) + λ_fs L_sp
    L_unce, L_unkd   MiB's (arXiv:2002.00718, eq. 3 and 8)
    L_pm    batch means of old classes stay at their prototypes, where the label is background   `prototype_matching`
    L_att   features come closer to the prototype of their class                                 `prototype_attraction`
    L_rep   batch means of classes move apart                                                    `class_repulsion`
    L_sp    few channels are large                                                               `feature_sparsity`

On f, the encoder's deepest map. A position has the label of its nearest pixel; where that is background it is of the
class that the previous model sees there, since old classes hide in the background. A prototype is the mean of f over
all positions of a class in all batches so far, this batch among them and earlier steps too; it carries no gradient. A
batch is that of all processes. L_att, L_rep and L_sp are there at every step, beside plain cross entropy at step 0.
Where a step brings no new class, labels stay as they are, and there is no L_pm.

State: prototypes and the number of positions that each is of.

The published tables have SDR by itself, with plain cross entropy and distillation, and combined with MiB. Here it is
the latter, and new classes start from the background's classifier as in MiB.

Deviation: λ is 1 unless set, as in `mib.py` (published: 100, or 10). Deviation from the authors' code, which mixes up
positions and channels in masked features, divides by the number of classes once per class, has prototypes of its own
in every process, and leaves out L_att and L_rep at step 0: the formulas are the paper's.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saticl.labels import BACKGROUND, IGNORE
from saticl.losses import (
    class_counts,
    class_repulsion,
    class_sums,
    feature_sparsity,
    nearest_labels,
    old_labels,
    prototype_attraction,
    prototype_matching,
    unbiased_distillation,
)
from saticl.methods.base import Criterion, Method
from saticl.methods.class_means import ClassMeans
from saticl.methods.options import SDROptions
from saticl.options import KDOptions
from saticl.tasks import Task
from saticl.types import Batch, Feature, Labels, Logits, Output, Terms


class SDR(Method):
    """MiB, its distillation weighted by `kd.decoder_factor`, and four losses on features and means of classes."""

    options: SDROptions
    needs_own_base = True

    def __init__(self, task: Task, criterion: Criterion, kd: KDOptions, options: SDROptions) -> None:
        super().__init__(task, criterion, kd, options)
        self.stage_means = ClassMeans(task.num_seen)
        """Prototypes."""
        self.stride = 1
        """Pixels per side of a position."""

    @torch.no_grad()
    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """Make room for prototypes of the deepest map, and see how many pixels a position of it stands for."""
        network: Any = student
        was_training, image = student.training, next(iter(batches)).image[:1]
        stage = network.eval()(image).stages[-1]
        network.train(was_training)
        self.stage_means.make_room(stage.shape[1])
        self.stride = -(-network.body.pad(image).shape[-1] // stage.shape[-1])

    def initial(self, new: Output, target: Labels) -> Terms:
        """Cross entropy and clusters."""
        stage = new.stages[-1]
        return {**super().initial(new, target), **self.clustering(stage, self.at_positions(target, stage))}

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """L_unce, clusters and L_pm."""
        stage, ce = new.stages[-1], self.criterion(new.logits, target, self.task.num_old)
        if not self.task.new:
            return {"ce": ce, **self.clustering(stage, self.at_positions(target, stage))}
        labels = old_labels(target, old_logits, torch.ones_like(target, dtype=torch.bool))
        said = labels.where(target == BACKGROUND, IGNORE)
        clustering = self.clustering(stage, self.at_positions(labels, stage))
        matching = prototype_matching(stage, self.at_positions(said, stage), self.stage_means.means)
        return {"ce": ce, **clustering, "matching": self.options.matching_factor * matching}

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """L_unkd."""
        return {"kd": self.kd.decoder_factor * unbiased_distillation(new.logits, old.logits, self.kd.alpha)}

    def clustering(self, stage: Feature, labels: Labels) -> Terms:
        """L_att, L_rep and L_sp, after the prototypes have seen this batch."""
        num_seen, options = self.task.num_seen, self.options
        self.stage_means.add(class_sums(stage.detach(), labels, num_seen), class_counts(labels, num_seen))
        attraction = prototype_attraction(stage, labels, self.stage_means.means)
        return {
            "attraction": options.clustering_factor * attraction,
            "repulsion": options.clustering_factor * class_repulsion(stage, labels, num_seen),
            "sparsity": options.sparsity_factor * feature_sparsity(stage, labels, num_seen),
        }

    def at_positions(self, labels: Labels, stage: Feature) -> Labels:
        """Labels of the positions [B, h, w]; those beyond the image, where the network continued it, have none."""
        right, below = (stage.shape[at] * self.stride - labels.shape[at] for at in (-1, -2))
        return nearest_labels(F.pad(labels, (0, right, 0, below), value=IGNORE), stage.shape[-2:])

    def import_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over the prototypes."""
        super().import_state(self.stage_means.inherited(state, "stage_means", "sdr"))
