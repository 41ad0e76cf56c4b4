"""SegACIL: the network stays as step 0 left it, and its classifier is solved for in one pass over the tiles of a step.

SegACIL: analytic class-incremental segmentation, ACM MM 2025, arXiv:2412.10834.

    ψ_i = ReLU(P f_i)          f: the decoder's map, P random and fixed              `RandomFeatures`
    W   = argmin Σ_i |ỹ_i - W ψ_i|² + γ |W|²     over the pixels of all steps so far  `Sums.solve`
    ỹ_i = one-hot of y_i, but where y_i is background, the old class of the largest score W_old ψ_i >= 0.7
          where there is one; ignored pixels do not count                            `labelled`

Step 0 is trained by plain cross entropy with the network's own heads, in whose place the solved ones come at its end
(`consolidate`). Later steps are not trained (`phases`): nothing of them is forgotten, because with complete labels W
is what all tiles at once would have given. Kept between steps are sums in float64: Σ ψ ψᵀ, M x M (width 1024: 8 MB,
8196: 537 MB), and Σ ψ of each class. `segacil.balanced`, the generalised form, gives every class the same weight and
keeps Σ ψ ψᵀ of every class. Scores are least squares estimates of probabilities; `decode` gives the nearest point that
is one. A step that brings no new class is solved in the same way, from all its labels: training would leave the sums
behind.

Deviation: sums in place of the recursion, which gives the same (`ridge.py`). Deviation: `segacil.side` pixels per side
of a map are taken, evenly spread, with the label at their place.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from saticl.errors import InvalidCheckpoint
from saticl.labels import BACKGROUND, IGNORE
from saticl.losses import nearest_labels
from saticl.losses.precision import full_precision
from saticl.methods.base import Method
from saticl.methods.options import SegACILOptions
from saticl.methods.phases import Phase
from saticl.methods.ridge import Sums
from saticl.models.random_features import RandomFeatures
from saticl.models.segmenter import Segmenter
from saticl.tasks import Task
from saticl.types import Batch, Feature, Labels, Logits, Output

KEYS = ("segacil.gram", "segacil.moments", "segacil.counts")
"""Names of the sums in the state."""


class SegACIL(Method):
    """Cross entropy at step 0, least squares of all steps."""

    asks_teacher = False
    needs_own_base = True
    options: SegACILOptions
    sums: Sums | None = None
    """Of the steps so far."""

    @classmethod
    def rebuild(cls, student: nn.Module, task: Task) -> None:
        """Put random features before the heads; their number comes with the weights."""
        network = cast(Segmenter, student)
        network.classifier = RandomFeatures(network.classifier, SegACILOptions().width)

    def phases(self) -> Sequence[Phase]:
        """None after step 0."""
        return super().phases() if self.task.step == 0 else ()

    @torch.no_grad()
    def consolidate(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """Add this step's pixels to the sums, and solve for the heads."""
        network, options = cast(Segmenter, student), self.options
        classifier = network.classifier
        if not isinstance(classifier, RandomFeatures):
            network.classifier = classifier = RandomFeatures(classifier, options.width)
        device = classifier.projection.device
        fresh = Sums.of_nothing(options.width, self.task.num_seen, options.balanced, device)
        was_training = network.training
        network.eval()
        for batch in batches:
            pixels, labels = self.samples(network(batch.image).pixels, batch.target)
            for some, known in zip(*(tensor.split(classifier.at_once) for tensor in (pixels, labels)), strict=True):
                features = classifier.features(some)
                fresh.add(features, self.labelled(known, features, classifier))
        network.train(was_training)
        fresh = fresh.over_processes()
        self.sums = fresh if self.sums is None else fresh.plus(self.sums)
        write(classifier, self.sums.solve(options.gamma))

    def samples(self, pixels: Feature, target: Labels) -> tuple[Tensor, Tensor]:
        """The pixels that count [N, D], and their labels [N]."""
        labels = nearest_labels(target, pixels.shape[-2:])
        stride = -(-max(labels.shape[-2:]) // self.options.side)
        taken = pixels[..., ::stride, ::stride].movedim(1, -1).flatten(0, -2)
        labels = labels[..., ::stride, ::stride].flatten()
        valid = labels != IGNORE
        return taken[valid], labels[valid]

    def labelled(self, labels: Tensor, features: Tensor, classifier: RandomFeatures) -> Tensor:
        """Labels [N] in which background pixels carry the old class of which the present heads are sure."""
        if self.task.step == 0 or not self.task.new:
            return labels
        old = torch.cat([cast(nn.Conv2d, head).weight for head in classifier.heads])[: self.task.num_old]
        score, said = (features @ old.flatten(1).double().T).max(1)
        return said.where((labels == BACKGROUND) & (score >= self.options.confidence), labels)

    @classmethod
    def decode(cls, output: Output) -> Tensor:
        """The probabilities nearest to the scores."""
        return nearest_probabilities(output.logits)

    @classmethod
    def classes(cls, output: Output) -> Tensor:
        """That of the largest score, which is nearest to the largest probability."""
        return output.logits.argmax(1)

    def export_state(self) -> dict[str, Tensor]:
        """The sums."""
        return {} if self.sums is None else dict(zip(KEYS, vars(self.sums).values(), strict=True))

    def import_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over the sums of the steps before; refuses none at all, others, and those of other options."""
        if set(state) != set(KEYS):
            super().import_state(state)  # refuses what is not ours
            raise InvalidCheckpoint(
                "The previous step left no sums for segacil: train the steps before this one with --method segacil."
            )
        sums = Sums(*(state[key].clone() for key in KEYS))
        width, balanced = sums.gram.shape[-1], len(sums.gram) > 1
        if (width, balanced) != (self.options.width, self.options.balanced):
            raise InvalidCheckpoint(
                f"The previous step was solved with --segacil.width {width} and --segacil.balanced "
                f"{'on' if balanced else 'off'}: use the same for every step."
            )
        self.sums = sums


def write(classifier: RandomFeatures, solved: Tensor) -> None:
    """Make solved weights [M, K] the heads, which have no bias."""
    heads = [cast(nn.Conv2d, head) for head in classifier.heads]
    rows = solved.T[..., None, None].split([head.out_channels for head in heads])
    for head, own in zip(heads, rows, strict=True):
        head.weight.copy_(own)
        nn.init.zeros_(cast(Tensor, head.bias))


@full_precision
def nearest_probabilities(scores: Logits) -> Tensor:
    """The point of the simplex nearest to the scores, in each pixel: max(s - τ, 0) with the τ that makes it sum to 1.

    So score differences below 1 stay as they are between probabilities above 0, and the order stays.
    """
    ordered, _ = scores.sort(1, descending=True)
    rank = torch.arange(1, scores.shape[1] + 1, device=scores.device).view(-1, 1, 1)
    excess = (ordered.cumsum(1) - 1) / rank  # τ if the first `rank` were those above 0; the right one is the largest
    return (scores - excess.amax(1, keepdim=True)).relu()
