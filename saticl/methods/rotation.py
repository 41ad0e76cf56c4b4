"""Rotation contrastive distillation: in a top-down picture features must turn with the image.

E. Arnaudo, F. Cermelli, A. Tavera, C. Rossi, B. Caputo: A Contrastive Distillation Approach for Incremental Semantic
Segmentation in Aerial Images, ICIAP 2021, arXiv:2112.03814. Around MiB it is the paper's MiB-CD; it wraps any method.

    labels      on [x; T(x)] against [y; T(y)]
    distillation of the wrapped method on x alone
    rotation    λ_a   · mse( T f(x), f(T x) )        the student with itself; both sides carry gradient
    rotation_kd λ_icl · mse( f(T x), T f_old(x) )    the student with the previous model, which never sees T(x)

f is the decoder's last map. T is one symmetry of the square per batch, the same on all processes.

A method with `terms` of its own is asked for them on x alone; the turned image then only enters the feature terms.

Deviation: f is taken before dropout and before up-sampling; published, two different dropout masks put a floor under
the first term. Deviation: T is never the identity, which would only repeat the batch. Deviation: both views go through
the student in one call, so they share batch statistics (docs/decisions).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from saticl.losses import feature_mse
from saticl.methods.base import Method, Network, no_logits
from saticl.methods.phases import Phase
from saticl.options import AugOptions
from saticl.runs.memory import Kept
from saticl.tiles.index import Tile
from saticl.transforms import Dihedral, Rotation, Turn
from saticl.types import Batch, Feature, Image, Labels, Output, Scalar, Terms


def draw_turn(options: AugOptions, generator: torch.Generator, is_square: bool = True) -> Turn:
    """A symmetry other than the identity; where `fixed_angles` is off, a whole angle, half of them mirrored too.

    Images that are not square keep their shape: half a turn is left, and the two mirrors.
    """
    if options.fixed_angles and not is_square:
        kept = [Dihedral(2), Dihedral(0, mirror=True), Dihedral(2, mirror=True)]
        return kept[int(torch.randint(3 if options.flip else 1, (), generator=generator))]
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


class Rotated(Method):
    """Another method, on two views of every image, and the two feature terms with a weight above 0.

    All hooks are the wrapped method's; its state is stored as if nothing were around it.
    """

    def __init__(self, inner: Method, aug: AugOptions) -> None:
        super().__init__(inner.task, inner.criterion, inner.kd, inner.options)
        self.inner = inner
        self.aug = aug
        self.asks_teacher = inner.asks_teacher or aug.factor_icl > 0
        self.maps = inner.maps  # type: ignore[misc]  # a fact of the wrapped class
        self.decode = inner.decode  # type: ignore[method-assign]  # a class method of the wrapped class
        self.classes = inner.classes  # type: ignore[method-assign]

    def terms(self, batch: Batch, student: Network, teacher: Network | None, generator: torch.Generator) -> Terms:
        """Those of the wrapped method, and the feature terms."""
        turn = draw_turn(self.aug, generator, batch.image.shape[-2] == batch.image.shape[-1])
        turned_image = turn(batch.image)
        if self.aug.color:
            turned_image = jitter(turned_image, generator)
        views = TwoViews(batch, turned_image, turn)
        if type(self.inner).terms is Method.terms:
            terms, new, turned, old = self._composed(views, student, teacher)
        else:
            terms, new, turned, old = self._by_itself(views, student, teacher, generator)
        if self.aug.factor > 0:
            terms["rotation"] = self.aug.factor * turned_mse(turn, new, turned)
        if self.aug.factor_icl > 0 and old is not None:
            terms["rotation_kd"] = self.aug.factor_icl * turned_mse(turn, old, turned)
        return terms

    def _composed(self, views: "TwoViews", student: Network, teacher: Network | None) -> "Compared":
        """Labels on both views, in one call of the student; distillation on the unturned one."""
        batch, inner = views.batch, self.inner
        target = inner.target_of(batch)
        both = student(torch.cat([batch.image, views.turned_image]))
        targets = torch.cat([target, views.turn.mask(target)])
        new, turned = split(both)
        old = teacher(batch.image) if self.asks_teacher and teacher is not None else None
        if teacher is None:
            terms = inner.initial(both, targets)
        elif old is None or not inner.asks_teacher:
            terms = inner.supervision(both, no_logits(both), targets)
        else:
            old_logits = torch.cat([old.logits, views.turn(old.logits)])
            terms = inner.supervision(both, old_logits, targets) | inner.distillation(new, old, target)
        return Compared(terms, new.pixels, turned.pixels, None if old is None else old.pixels)

    def _by_itself(
        self, views: "TwoViews", student: Network, teacher: Network | None, generator: torch.Generator
    ) -> "Compared":
        """The wrapped method's own terms on the unturned view, whose outputs are not computed twice."""
        image = views.batch.image
        seen = Remembering(student, image)
        known = None if teacher is None else Remembering(teacher, image)
        terms = self.inner.terms(views.batch, seen, known, generator)
        old = known.output.pixels if known is not None and self.aug.factor_icl > 0 else None
        return Compared(dict(terms), seen.output.pixels, student(views.turned_image).pixels, old)

    def target_of(self, batch: Batch) -> Labels:
        """See Method; so below."""
        return self.inner.target_of(batch)

    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """See Method."""
        self.inner.grow(student, teacher, batches)

    def phases(self) -> Sequence[Phase]:
        """See Method; what the wrapped method owns has a longer name in here."""
        return [replace(phase, rates=_inside(phase.rates)) for phase in self.inner.phases()]

    def begin(self, student: nn.Module, teacher: Network | None, batches: Iterable[Batch]) -> None:
        """See Method."""
        self.inner.begin(student, teacher, batches)

    def resting(self, student: nn.Module) -> Iterable[nn.Module]:
        """See Method."""
        return self.inner.resting(student)

    def after_backward(self, student: nn.Module) -> Terms:
        """See Method."""
        return self.inner.after_backward(student)

    def after_step(self, student: nn.Module) -> None:
        """See Method."""
        self.inner.after_step(student)

    def end(self, student: nn.Module) -> None:
        """See Method."""
        self.inner.end(student)

    def consolidate(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """See Method."""
        self.inner.consolidate(student, teacher, batches)

    def remember(self, known: Sequence[Kept], tiles: Sequence[Tile]) -> Sequence[Kept]:
        """See Method."""
        return self.inner.remember(known, tiles)

    def export_state(self) -> dict[str, Tensor]:
        """See Method."""
        return self.inner.export_state()

    def import_state(self, state: Mapping[str, Tensor]) -> None:
        """See Method."""
        self.inner.import_state(state)

    def running_state(self) -> dict[str, Tensor]:
        """See Method."""
        return self.inner.running_state()

    def resume_state(self, state: Mapping[str, Tensor]) -> None:
        """See Method."""
        self.inner.resume_state(state)


def _inside(rates: Mapping[str, float]) -> dict[str, float]:
    """Factors by the names that parameters have where the method is wrapped."""
    return {re.sub(r"^method\.", "method.inner.", name): rate for name, rate in rates.items()}


class TwoViews(NamedTuple):
    """A batch and its turned image."""

    batch: Batch
    turned_image: Image
    turn: Turn


class Compared(NamedTuple):
    """Terms of the wrapped method, and the decoder's maps of both views and of the previous model."""

    terms: Terms
    new: Feature
    turned: Feature
    old: Feature | None


class Remembering:
    """A network that keeps what it said of one image, so that nobody has to ask again."""

    def __init__(self, network: Network, image: Image) -> None:
        self._network, self._image = network, image
        self._said: Output | None = None

    def __call__(self, image: Image) -> Output:
        """What the network says."""
        if image is not self._image:
            return self._network(image)
        return self.output

    @property
    def output(self) -> Output:
        """What it says of the image."""
        if self._said is None:
            self._said = self._network(self._image)
        return self._said

    def __getattr__(self, name: str) -> Any:
        """All else is the network's: a method may ask for its heads or weights."""
        return getattr(self._network, name)
