"""The eight symmetries of the square, exact: pixels are moved, never interpolated."""

from dataclasses import dataclass

import torch
from torch import Tensor

from saticl.types import Labels


@dataclass(frozen=True)
class Dihedral:
    """Mirror left-right first, then turn counter-clockwise by quarters; on the last two dimensions of any tensor."""

    quarter_turns: int = 0
    mirror: bool = False

    def __post_init__(self) -> None:
        # one spelling per symmetry, so that equal ones compare and hash equal
        object.__setattr__(self, "quarter_turns", self.quarter_turns % 4)

    def __call__(self, tensor: Tensor) -> Tensor:
        """Turn [..., H, W]; odd quarters give [..., W, H]. A channels-last tensor stays channels-last."""
        # Every symmetry is a mirror of some axes, in one copy, and perhaps an exchange of the two.
        flips_rows = self.quarter_turns in {2, 3}
        flips_columns = (self.quarter_turns in {1, 2}) != self.mirror
        dims = [dim for dim, flips in ((-2, flips_rows), (-1, flips_columns)) if flips]
        turned = tensor.flip(dims) if dims else tensor
        if self.quarter_turns % 2 == 0:
            return turned
        return turned.transpose(-2, -1).contiguous(memory_format=_memory_format(tensor))

    def mask(self, target: Labels) -> Labels:
        """Turn labels [B, H, W]: the same as calling."""
        return self(target)

    def valid(self, height: int, width: int, device: torch.device | None = None) -> None:
        """None: every pixel of a turned map shows content."""

    def __matmul__(self, first: "Dihedral") -> "Dihedral":
        """The symmetry that applies `first`, then this one."""
        # a mirror reverses the sense of the turns it is moved past
        quarters = -first.quarter_turns if self.mirror else first.quarter_turns
        return Dihedral(self.quarter_turns + quarters, self.mirror != first.mirror)

    def inverse(self) -> "Dihedral":
        """The symmetry that undoes this one; a mirrored one undoes itself."""
        return self if self.mirror else Dihedral(-self.quarter_turns)

    @classmethod
    def group(cls) -> tuple["Dihedral", ...]:
        """All eight, identity first, the four rotations before the mirrored ones."""
        return tuple(cls(quarters, mirror) for mirror in (False, True) for quarters in range(4))

    @classmethod
    def random(cls, generator: torch.Generator, flip: bool = True) -> "Dihedral":
        """Any symmetry but the identity, all equally likely; without `flip` one of the three rotations."""
        candidates = cls.group()[1 : 8 if flip else 4]
        index = torch.randint(len(candidates), (), generator=generator, device=generator.device)
        return candidates[int(index)]


def _memory_format(tensor: Tensor) -> torch.memory_format:
    is_channels_last = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if is_channels_last else torch.contiguous_format
