"""What has to be known of another program's network before its weights can be used here."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from torch import Tensor

from saticl.models.weights import State
from saticl.options import ModelOptions, OutputStride


class Outputs(NamedTuple):
    """The last layer of a network."""

    weight: Tensor
    """[outputs, width, k, k], as heads have it here."""
    bias: Tensor | None
    """[outputs]."""


class Architecture(Protocol):
    """A row of the table."""

    head: str
    """The other program's name of the last layer, or of the first of several beside each other, without `.weight`."""
    unused: tuple[str, ...]
    """Beginnings of names on which no score of a pixel depends."""

    def options(self, encoder: str, output_stride: OutputStride | None) -> ModelOptions:
        """The same network here, for the name that the other program has for its encoder.

        Weights do not say at which output stride they were trained; None is the usual one.

        Raises:
            UnknownName, InvalidOptions: no such encoder, or none that can be taken over, or not at this stride.
        """
        ...

    def require_strides(self, reductions: tuple[int, ...], encoder: str) -> None:
        """Refuse encoders around which the other program builds another network than the one here.

        Raises:
            InvalidOptions: naming the encoder.
        """
        ...

    def outputs(self, state: State) -> Outputs:
        """Take the last layer out of a state, which has at least the weight of `head`."""
        ...

    def renamed(self, names: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
        """Their names of tensors to ours, of the body's; names that it does not know are left out."""
        ...
