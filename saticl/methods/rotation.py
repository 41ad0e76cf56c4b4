"""Rotation contrastive distillation: in a top-down picture features must turn with the image.

E. Arnaudo, F. Cermelli, A. Tavera, C. Rossi, B. Caputo: A Contrastive Distillation Approach for Incremental Semantic
Segmentation in Aerial Images, ICIAP 2021, arXiv:2112.03814. Around MiB it is the paper's MiB-CD; it wraps any method.

    labels      on [x; T(x)] against [y; T(y)]
    distillation of the wrapped method on x alone
    rotation    λ_a   · mse( T f(x), f(T x) )        the student with itself; both sides carry gradient
    rotation_kd λ_icl · mse( f(T x), T f_old(x) )    the student with the previous model, which never sees T(x)

f is the decoder's last map. T is one symmetry of the square per batch, the same on all processes.

Deviation: f is taken before dropout and before up-sampling; published, two different dropout masks put a floor under
the first term. Deviation: T is never the identity, which would only repeat the batch. Deviation: both views go through
the student in one call, so they share batch statistics (docs/decisions).
"""

import torch

from saticl.losses import feature_mse
from saticl.methods.base import Method, Network, no_logits
from saticl.options import AugOptions
from saticl.transforms import Dihedral, Rotation, Turn
from saticl.types import Batch, Feature, Image, Output, Scalar, Terms


def draw_turn(options: AugOptions, generator: torch.Generator) -> Turn:
    """A symmetry other than the identity; where `fixed_angles` is off, a whole angle, half of them mirrored too."""
    if options.fixed_angles:
        return Dihedral.random(generator, flip=options.flip)
    degrees = int(torch.randint(1, 360, (), generator=generator))
    mirror = options.flip and bool(torch.randint(2, (), generator=generator))
    return Rotation(degrees, mirror)


def jitter(image: Image, generator: torch.Generator, strength: float = 0.1) -> Image:
    """Contrast and brightness varied by up to `strength`, one draw per batch, on normalised bands."""
    contrast, brightness = (2 * torch.rand(2, generator=generator) - 1).mul(strength).tolist()
    jittered: Image = image * (1 + contrast) + brightness
    return jittered


def split(output: Output) -> tuple[Output, Output]:
    """The two halves of a batch [x; T(x)]."""
    first, second = zip(*(tensor.chunk(2) for tensor in (output.logits, output.pixels, output.coarse)), strict=True)
    stages = [stage.chunk(2) for stage in output.stages]
    return (
        Output(first[0], tuple(stage[0] for stage in stages), first[1], first[2]),
        Output(second[0], tuple(stage[1] for stage in stages), second[1], second[2]),
    )


def turned_mse(turn: Turn, features: Feature, turned: Feature) -> Scalar:
    """Mean of (T features - turned)² over [B, D, h, w], without corners that a free angle leaves empty."""
    height, width = features.shape[-2:]
    return feature_mse(turn(features), turned, turn.valid(height, width, features.device))


def rotation_terms(
    method: Method,
    options: AugOptions,
    batch: Batch,
    student: Network,
    teacher: Network | None,
    generator: torch.Generator,
) -> Terms:
    """All terms of one iteration: those of `method`, and the two feature terms with a weight above 0."""
    turn = draw_turn(options, generator)
    turned_image = turn(batch.image)
    if options.color:
        turned_image = jitter(turned_image, generator)
    both = student(torch.cat([batch.image, turned_image]))
    targets = torch.cat([batch.target, turn.mask(batch.target)])
    new, turned = split(both)
    asked = method.asks_teacher or options.factor_icl > 0
    old = teacher(batch.image) if asked and teacher is not None else None
    if teacher is None:
        terms = method.initial(both, targets)
    elif old is None or not method.asks_teacher:
        terms = method.supervision(both, no_logits(both), targets)
    else:
        old_logits = torch.cat([old.logits, turn(old.logits)])
        terms = method.supervision(both, old_logits, targets) | method.distillation(new, old, batch.target)
    if options.factor > 0:
        terms["rotation"] = options.factor * turned_mse(turn, new.pixels, turned.pixels)
    if options.factor_icl > 0 and old is not None:
        terms["rotation_kd"] = options.factor_icl * turned_mse(turn, old.pixels, turned.pixels)
    return terms
