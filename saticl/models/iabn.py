"""In-Place ABN's modules, the synchronised one made fit for its surroundings. Needs inplace-abn to be installed."""

from inplace_abn import InPlaceABN, InPlaceABNSync
from torch import distributed

__all__ = ["InPlaceABN", "WorldABN"]


class WorldABN(InPlaceABNSync):  # type: ignore[misc]  # an untyped base class
    """InPlaceABNSync over all processes there are, or alone where there is one.

    The original looks for the process group once, when it is imported, and keeps it as an attribute: groups made
    later are missed, and models that hold one cannot be copied. Here the group is looked up at each use.
    """

    @property
    def group(self) -> distributed.ProcessGroup | None:
        """The group of all processes, None without one."""
        return distributed.group.WORLD if distributed.is_available() and distributed.is_initialized() else None

    @group.setter
    def group(self, group: distributed.ProcessGroup | None) -> None:
        """The base class sets what it found when it was imported; that is not kept."""
