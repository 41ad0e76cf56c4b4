"""What has to be known of another program's network before its weights can be used here."""

from collections.abc import Iterable
from typing import Protocol

from saticl.options import ModelOptions


class Architecture(Protocol):
    """A row of the table."""

    head: str
    """The other program's name of the last layer, a convolution with a bias, without `.weight`."""
    unused: tuple[str, ...]
    """Beginnings of names on which no score of a pixel depends."""

    def options(self, encoder: str) -> ModelOptions:
        """The same network here, for the name that the other program has for its encoder.

        Raises:
            UnknownName, InvalidOptions: no such encoder, or none that can be taken over.
        """
        ...

    def require_strides(self, reductions: tuple[int, ...], encoder: str) -> None:
        """Refuse encoders around which the other program builds another network than the one here.

        Raises:
            InvalidOptions: naming the encoder.
        """
        ...

    def renamed(self, names: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
        """Their names of tensors to ours, of the body's; names that it does not know are left out."""
        ...
