"""EWF: at the end of a step, the network before it and the network after it become one.

J.-W. Xiao, C.-B. Zhang, J. Feng, X. Liu, J. van de Weijer, M.-M. Cheng: Endpoints Weight Fusion for Class Incremental
Semantic Segmentation, CVPR 2023 (doi not confirmed).

    L = L_unce + λ L_unkd                                    MiB's (arXiv:2002.00718, eq. 2)
    θ <- β θ_new + (1 - β) θ_old                             `fuse`
    β = sqrt(N_new / (N_new + N_old))                        `share_of_new`; `ewf.share` sets another one

N: numbers of classes, background among the old ones. Fused is every parameter and statistic that the old network has,
its heads included; the head of the new classes stays. Heads of old classes are not trained, as published; they differ
by the lowered bias of the background alone (MiB's eq. 10). Then batch norms count their statistics anew over the
training tiles (`recount`), and the engine scores the fused weights.

Deviation: the published code keeps linearly fused variances, which are only roughly those of what the fused weights
compute (`--ewf.no-recount`). Deviation: it may also fuse but the 45 % of the weights that moved most, of which the
paper does not speak. Deviation: of In-Place ABN absolute scales are fused, as they are used. λ is 1, as in `mib.py`.
"""

from collections.abc import Iterable

from torch import nn

from saticl.methods.fusing import fuse, recount, share_of_new
from saticl.methods.mib import MiB
from saticl.methods.options import EWFOptions
from saticl.types import Batch


class EWF(MiB):
    """MiB, whose weights are fused with the previous ones when a step ends."""

    options: EWFOptions

    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """Old heads stay as they are."""
        if self.fuses:
            *old, _ = student.get_submodule("classifier.heads").children()
            for head in old:
                head.requires_grad_(False)

    def consolidate(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """Both endpoints become one, and its norms count anew."""
        if teacher is None or not self.fuses:
            return
        share = share_of_new(self.task) if self.options.share is None else self.options.share
        fuse(student, teacher.get_submodule("segmenter"), share)
        if self.options.recount:
            recount(student, batches)

    @property
    def fuses(self) -> bool:
        """Whether there are two endpoints: not at step 0, nor where no class is new and β would be 0."""
        return self.task.step > 0 and bool(self.task.new)
