"""What a step of the protocol minimises.

A method names its terms; the engine sums them, optimises, distributes and saves. Per iteration the engine asks for

    terms(batch, student, teacher, generator)

which most methods leave as it is: composed of the two halves that a method describes,

    initial(new, target)                          at step 0
    supervision(new, old_logits, target)          later: what the labels of this step say
    distillation(new, old, target)                later: what the previous model says

where `target` is what `target_of(batch)` makes of the labels, by default nothing else.
They are separate because rotation distillation (`rotation.py`) lets the labels also see the turned image.

A step may bring other places and no new class. Then there is no new head, `target` names all known classes, and its
background is none of them: the criterion merges nothing (`with_all_labels`), and nobody looks for old classes there.

The life of a step, in order; all but `terms` do nothing unless a method says otherwise:

    require           whether the network suits; else nothing begins
    import_state      what the previous step left
    grow              before there is an optimiser: new rows, new modules, frozen parts
    phases            what is trained, by which optimiser, for how long
    begin             once, before the first epoch
    resting           every epoch: parts that stay in evaluation mode
    terms, after_backward, after_step             every iteration; the last two at every move of the optimiser
    end               once, after the last epoch
    consolidate       the best weights are loaded: fuse them, count statistics anew
    remember          tiles that later steps may replay
    export_state      what the next step needs
    decode            from scores to probabilities, wherever the trained step is used

What a method owns (parameters and buffers of this module) is trained, clipped, averaged over processes, saved and
resumed together with the student. A method never optimises, moves devices, logs or opens files.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from saticl.errors import InvalidCheckpoint
from saticl.methods.phases import Phase
from saticl.options import FrozenOptions, KDOptions
from saticl.runs.memory import Kept
from saticl.tasks import Task
from saticl.tiles.index import Tile
from saticl.types import Batch, Image, Labels, Logits, Output, Scalar, Terms

Network = Callable[[Image], Output]
"""The student or the teacher, as a method calls it."""


class Criterion(Protocol):
    """The supervised loss: plain with `num_old` 1, else with the first `num_old` outputs merged into background."""

    def __call__(self, logits: Logits, target: Labels, num_old: int = 1) -> Scalar:
        """Loss of scores [B, K, H, W] against labels [B, H, W]."""
        ...


class Method(nn.Module):
    """Base of all methods: fine-tuning with the given criterion; override what differs."""

    asks_teacher: bool = True
    """Whether the terms look at the previous model. Where not, it is never run for them: `old_logits` is empty, and
    `distillation` is not called."""
    maps: ClassVar[tuple[str, ...]] = ()
    """Further maps of every training tile that `terms` reads from the batch, such as saliency: files
    `maps/<name>/<tile id>.tif` of one band in the prepared folder."""
    needs_own_base: ClassVar[bool] = False
    """Whether a step can only follow steps of the same method: it needs what these left, or their kind of scores."""
    counted: ClassVar[tuple[str, ...]] = ()
    """Attributes: tensors that `begin` counts where a later step brings classes; kept for an interrupted step."""
    defaults: ClassVar[Mapping[str, object]] = {}
    """Of a method outside this repository: dotted options whose default it changes (`MethodSpec.defaults`), beside
    those of the method that it extends."""
    reads: ClassVar[frozenset[str]] = frozenset()
    """Of a method outside this repository: method-specific options that it reads (`MethodSpec.reads`), beside those of
    the method that it extends."""

    def __init__(self, task: Task, criterion: Criterion, kd: KDOptions, options: FrozenOptions | None = None) -> None:
        super().__init__()
        self.task = task
        self.criterion = criterion
        self.kd = kd
        self.options = options

    def terms(self, batch: Batch, student: Network, teacher: Network | None, generator: torch.Generator) -> Terms:
        """Named, weighted summands of one iteration's loss.

        Args:
            batch: images and labels of this process.
            student: the network being trained, which may be called more than once.
            teacher: the previous step's network; None at step 0.
            generator: for what is random and must be the same on all processes.
        """
        new, target = student(batch.image), self.target_of(batch)
        if teacher is None:
            return self.initial(new, target)
        if not self.asks_teacher:
            return self.supervision(new, no_logits(new), target)
        old = teacher(batch.image)
        return {
            **self.supervision(new, old.logits, target),
            **self.distillation(new, old, target),
        }

    def target_of(self, batch: Batch) -> Labels:
        """What the three methods below get as `target`: here the further maps of the batch may have their say."""
        return batch.target

    def initial(self, new: Output, target: Labels) -> Terms:
        """Terms of step 0, where there is no previous model."""
        return {"ce": self.criterion(new.logits, target)}

    def supervision(self, new: Output, old_logits: Logits, target: Labels) -> Terms:
        """Terms that need labels: `target` holds new classes, old ones that are labelled, background and IGNORE."""
        return {"ce": self.criterion(new.logits, target)}

    def distillation(self, new: Output, old: Output, target: Labels) -> Terms:
        """Terms that compare with the previous model on the same image."""
        return {}

    @classmethod
    def require(cls, student: nn.Module) -> None:
        """Refuse a network that the method can do nothing with; asked of a plain one, before anything is written.

        Raises:
            InvalidOptions: in one sentence, with what to choose.
        """

    @classmethod
    def rebuild(cls, student: nn.Module, task: Task) -> None:
        """Give a plain network the modules that `grow` has added in the steps up to this task's.

        Called wherever a network of this method is built from its description, before its weights are loaded.
        """

    def grow(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """Change the student before the optimiser is made; the head of the new classes is there already.

        Rows may be set, modules added (then `rebuild` must add them too), and parts frozen by `requires_grad_(False)`.
        `batches` is one pass over the training batches on offer. All processes go on with what the first one made.
        Called again when a step is resumed, with the same seed, before its weights are loaded.
        """

    def phases(self) -> Sequence[Phase]:
        """What the step consists of; asked for after `grow`.

        None at all: nothing is trained by gradient, and `consolidate` does all that the step does.
        """
        return (Phase(),)

    def begin(self, student: nn.Module, teacher: Network | None, batches: Iterable[Batch]) -> None:
        """Called once before the first epoch, with one pass over the training batches on offer."""

    def resting(self, student: nn.Module) -> Iterable[nn.Module]:
        """Parts of the student that stay in evaluation mode while it is trained; asked for at every epoch.

        What `grow` freezes is without gradient, but its batch norm would still count statistics.
        """
        return ()

    def after_backward(self, student: nn.Module) -> Terms:
        """Called when the gradients of the terms are there: may read and edit them; returns values to log."""
        return {}

    def after_step(self, student: nn.Module) -> None:
        """Called after every move of the optimiser: may edit weights."""

    def end(self, student: nn.Module) -> None:
        """Called once after the last epoch, with its weights.

        The best epoch's then take the place of all parameters and persistent buffers, this module's too.
        """

    def consolidate(self, student: nn.Module, teacher: nn.Module | None, batches: Iterable[Batch]) -> None:
        """Called with the best weights, before they are scored and sealed: what is edited here stays.

        `batches` is one pass over the training batches on offer. All processes go on with what the first one made.
        """

    def remember(self, known: Sequence[Kept], tiles: Sequence[Tile]) -> Sequence[Kept]:
        """Tiles that later steps replay, beside their own: asked for once, before the step is sealed.

        `known` are those kept so far, `tiles` the training tiles of this step without them.
        """
        return ()

    @classmethod
    def decode(cls, output: Output) -> Tensor:
        """Probabilities [B, K, H, W] from what the network gives; a pixel's class is that of the largest.

        Used wherever a trained step is applied, so it may look at nothing but the output.
        """
        return output.logits.float().softmax(1)

    @classmethod
    def classes(cls, output: Output) -> Tensor:
        """Output index of every pixel [B, H, W]: that of the largest probability.

        A softmax keeps the order of the scores, so nothing is computed for it.
        """
        plain = getattr(cls.decode, "__func__", None) is Method.decode.__func__  # type: ignore[attr-defined]
        return output.logits.argmax(1) if plain else cls.decode(output).argmax(1)

    def export_state(self) -> dict[str, Tensor]:
        """Tensors that the next step needs: all parameters and persistent buffers of this module, by default."""
        return dict(self.state_dict())

    def import_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `export_state` gave; refuses the state of another method, or tensors of another shape."""
        own = self.state_dict()
        foreign = sorted(name for name in state if name not in own)
        if foreign:
            raise InvalidCheckpoint(
                f"The previous step holds state ({', '.join(foreign[:3])}, ...) that {type(self).__name__} does "
                "not know: it was trained with another method. Use the same --method for every step."
            )
        for name, tensor in state.items():
            if tensor.shape != own[name].shape:
                raise InvalidCheckpoint(
                    f"The previous step left {name} of the shape {tuple(tensor.shape)}, but {type(self).__name__} "
                    f"expects {tuple(own[name].shape)}: where it grows with the classes, write your own import_state."
                )
        self.load_state_dict(dict(state), strict=False)

    def running_state(self) -> dict[str, Tensor]:
        """Tensors beside parameters and persistent buffers from which an interrupted step continues.

        Saved after every epoch, and given back in place of calling `begin` again. By default, what is `counted`.
        """
        names = self.counted if self.task.step > 0 and self.task.new else ()
        return {f"{type(self).__name__}.{name}": getattr(self, name) for name in names}

    def resume_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `running_state` gave, on the device of the method."""
        if set(state) != set(self.running_state()):
            raise InvalidCheckpoint(
                f"The interrupted step was not trained with {type(self).__name__}: its state holds "
                f"{', '.join(sorted(state)[:3]) or 'nothing'}. Continue it with the --method it was started with."
            )
        for name, tensor in state.items():
            setattr(self, name.rpartition(".")[2], tensor.clone())


def no_logits(new: Output) -> Logits:
    """What `supervision` gets in place of the teacher's scores where nobody asked the teacher."""
    return new.logits.new_empty(0)
