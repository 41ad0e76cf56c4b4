"""RCIL: every 3x3 convolution of the encoder has two branches; one remembers, one learns, and then they are one.

C.-B. Zhang, J.-W. Xiao, X. Liu, Y.-C. Chen, M.-M. Cheng: Representation Compensation Networks for Continual Semantic
Segmentation, CVPR 2022, arXiv:2203.05402.

    L = L_unce + λ L_unkd + L_pckd                     the first two are MiB's (arXiv:2002.00718, eq. 2)
    L_pckd = sqrt(|seen| / |new|) (mean of α_s ‖P_s(f²) - P_s(f_old²)‖ over maps and squares of six sizes
                                 + mean of α_c ‖P_c(f²) - P_c(f_old²)‖ over maps)
                                                       `pooled_distance`, `channel_distance`

Maps: the last four of the encoder, the decoder's, and in P_s the scores of old classes before they are enlarged. The
last map of each sum has the weight `rcil.last_factor`, the others `rcil.features_factor`.

In residual blocks of the encoder, 3x3 convolution and norm are doubled (`Branches`): mixed at random in training, half
and half in evaluation. At step 0 both branches learn, the other from random weights. When a step ends they are merged
into one convolution and norm (`merge`), so what is saved is a plain network; later the merged branch rests, and beside
it a copy of it learns.

Deviation: the encoder's convolutions alone are doubled, not those of the decoder (ASPP in the paper). Deviation: the
branch that learns starts as a copy of the merged one, so that a step begins with what was known; in the published code
it goes on from one of the two branches before they were merged. Deviation: new scores and the background are merged as
probabilities, as in `plop.py`; published, they are summed. Deviation: λ is 1, as in `mib.py`; published 100. A frozen
encoder is not doubled, nor is that of a step without new classes.
"""

import math
from collections.abc import Iterable

import torch
from torch import nn

from saticl.errors import InvalidOptions
from saticl.losses import channel_distance, fold_new, pooled_distance
from saticl.methods.fusing import measure
from saticl.methods.mib import MiB
from saticl.methods.options import RCILOptions
from saticl.models.branches import branches_of, double, merge, places
from saticl.types import Batch, Labels, Output, Scalar, Terms

STAGES = 4
"""Encoder maps that are compared."""


class RCIL(MiB):
    """MiB, pooled cubes of features, and two branches."""

    options: RCILOptions

    @classmethod
    def require(cls, student: nn.Module) -> None:
        """Refuse encoders without residual blocks."""
        if next(places(encoder_of(student)), None) is None:
            raise InvalidOptions(
                "--method rcil doubles 3x3 convolutions in residual blocks (those of ResNets), and this encoder has "
                "none: choose another --model.encoder, such as resnet34, seresnet50 or resnet50-iabn, or another "
                "--method."
            )

    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """Double the encoder's convolutions."""
        encoder = encoder_of(student)
        if not self.task.new or not any(parameter.requires_grad for parameter in encoder.parameters()):
            return
        for branches in double(encoder):
            if teacher is None:
                branches.restart()
            else:
                branches.rest()

    def resting(self, student: nn.Module) -> Iterable[nn.Module]:
        """Norms of the branches that do not learn."""
        return [branches.norm for branches in branches_of(student)] if self.task.step > 0 else ()

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """L_unkd and L_pckd."""
        return {**super().distillation(new, old, target), "cubes": self.cubes(new, old)}

    def cubes(self, new: Output, old: Output) -> Scalar:
        """L_pckd."""
        features, last = self.options.features_factor, self.options.last_factor
        stages = list(zip(old.stages[-STAGES:], new.stages[-STAGES:], strict=True))
        pixels, scores = (old.pixels, new.pixels), (old.coarse, fold_new(new.coarse, self.task.num_old))
        space = [features * pooled_distance(*pair) for pair in (*stages, pixels)]
        space.append(last * pooled_distance(*scores))
        channels = [features * channel_distance(*pair) for pair in stages]
        channels.append(last * channel_distance(*pixels))
        growth = self.task.num_seen / self.task.num_new if self.task.new else 1
        return math.sqrt(growth) * (torch.stack(space).mean() + torch.stack(channels).mean())

    def consolidate(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """Two branches become one, whose statistics are counted."""
        norms = merge(student)
        if norms:
            measure(student, norms, batches)


def encoder_of(student: nn.Module) -> nn.Module:
    """The part of a network that reads the image."""
    return student.get_submodule("body.encoder")
