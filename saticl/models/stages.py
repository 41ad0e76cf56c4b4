"""What a decoder is told about the maps of an encoder before it sees one."""

from dataclasses import dataclass

from saticl.errors import InvalidOptions

FINEST = 4
"""Smallest stride of a pyramid: maps of half the image's size cost more than all others and know little."""


@dataclass(frozen=True)
class Stages:
    """The maps of an encoder, shallow to deep."""

    encoder: str
    """Its name, for sentences."""
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    image_size: int | None = None
    """Side of the training images, where it is known."""

    @property
    def first(self) -> int:
        """Index of the shallowest map of a pyramid: the first with a stride of at least 4; 0 if all are finer."""
        coarse = [index for index, stride in enumerate(self.strides) if stride >= FINEST]
        return coarse[0] if coarse else 0

    @property
    def pyramid(self) -> tuple[int, ...]:
        """Channels of the maps from `first` on."""
        return self.channels[self.first :]

    def require_several(self, decoder: str) -> None:
        """Refuse encoders that leave a pyramid nothing to join.

        Raises:
            InvalidOptions: fewer than two maps in the pyramid.
        """
        if len(self.pyramid) < 2:
            raise InvalidOptions(
                f"--model.decoder {decoder} joins maps of several sizes, and the encoder {self.encoder!r} gives "
                f"{_maps(self.strides)}: choose deeplabv3 or unet, or another --model.encoder."
            )

    def require_finer(self, decoder: str) -> None:
        """Refuse encoders whose maps all have the size of the deepest.

        Raises:
            InvalidOptions: no map of the pyramid is finer.
        """
        if self.strides[self.first] >= self.strides[-1]:
            raise InvalidOptions(
                f"--model.decoder {decoder} adds a finer map to the deepest one, and the encoder {self.encoder!r} "
                f"gives {_maps(self.strides)}: choose deeplabv3 or deeplabv3-aspp, or another --model.encoder."
            )


def _maps(strides: tuple[int, ...]) -> str:
    sizes = ", ".join(map(str, strides))
    return f"one map, {sizes} times smaller than the image" if len(strides) == 1 else f"maps of stride {sizes}"
