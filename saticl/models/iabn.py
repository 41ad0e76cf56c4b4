"""In-Place ABN's modules, the synchronised one made fit for its surroundings. Needs inplace-abn to be installed."""

from inplace_abn import InPlaceABN, InPlaceABNSync
from torch import Tensor, distributed

from saticl.errors import InvalidOptions

__all__ = ["InPlaceABN", "WorldABN"]


class WorldABN(InPlaceABNSync):  # type: ignore[misc]  # an untyped base class
    """InPlaceABNSync over all processes there are, or alone where there is one.

    The original looks for the process group once, when it is imported, and keeps it as an attribute: groups made
    later are missed, and models that hold one cannot be copied. Here the group is looked up at each use.
    """

    @property
    def group(self) -> distributed.ProcessGroup | None:
        """The group of all processes, None where there is one process only and nothing to synchronise."""
        if not distributed.is_available() or not distributed.is_initialized() or distributed.get_world_size() == 1:
            return None
        return distributed.group.WORLD

    @group.setter
    def group(self, group: distributed.ProcessGroup | None) -> None:
        """The base class sets what it found when it was imported; that is not kept."""

    def forward(self, x: Tensor) -> Tensor:
        """Overwrites x.

        Raises:
            InvalidOptions: several processes train without GPUs.
        """
        if self.training and self.group is not None and not x.is_cuda:
            raise InvalidOptions(
                "--model.norm iabn_sync synchronises processes on GPUs only: with several processes on CPUs choose "
                "--model.norm iabn or abn, where every process uses the statistics of its own tiles."
            )
        return super().forward(x)  # type: ignore[no-any-return]
