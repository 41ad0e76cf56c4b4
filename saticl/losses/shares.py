"""Losses of a batch that several processes hold in parts.

A loss is a function of the whole batch. Inside `one_batch`, what each process holds is a part of it: `total` adds up
over all processes, and a loss is what makes the mean over processes, which is also taken of gradients, that of the
whole batch. Elsewhere, and with a single process, nothing is added and no process waits for another.

    mean of v where m    share(Σ v) / total(Σ m)
    f(Σ v)               f(total(Σ v)), the same in all processes

All processes must come by with tensors of the same shapes, and by the same losses: whether a loss is taken may not
depend on what a part holds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor, distributed
from torch.distributed.nn import functional as differentiable

_divided = ContextVar("divided", default=False)


@contextmanager
def one_batch(divided: bool = True) -> Iterator[None]:
    """What the processes hold are parts of one batch; with `divided` off, each is a batch of its own again."""
    before = _divided.set(divided)
    try:
        yield
    finally:
        _divided.reset(before)


def processes() -> int:
    """How many hold a part of the batch; 1 outside of `one_batch`."""
    is_divided = _divided.get() and distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if is_divided else 1


def total(part: Tensor) -> Tensor:
    """The sum over all processes, through which gradients flow."""
    if processes() == 1:
        return part
    if part.requires_grad:
        return differentiable.all_reduce(part)  # type: ignore[no-any-return]
    summed = part.clone()
    distributed.all_reduce(summed)
    return summed


def share(part: Tensor) -> Tensor:
    """What has `total(part)` as its mean over processes."""
    return part * processes()


def gathered(part: Tensor) -> Tensor:
    """Rows [N, ...] of each process one after another [P N, ...], through which gradients flow."""
    if processes() == 1:
        return part
    rows = part.new_zeros(processes(), *part.shape)
    rows[distributed.get_rank()] = part
    return total(rows).flatten(0, 1)
