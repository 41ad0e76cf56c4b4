"""What methods count in a pass over the tiles, of which every process sees its own part."""

from torch import Tensor, distributed


def sum_over_processes(*tensors: Tensor) -> None:
    """Give each of these, in place, the sum of what all processes hold in it; nothing changes in a single process.

    All processes must call this together, with tensors of the same shapes.
    """
    if distributed.is_available() and distributed.is_initialized():
        for tensor in tensors:
            distributed.all_reduce(tensor)
