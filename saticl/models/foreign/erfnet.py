"""ERFNet as in its authors' code, which CIL uses: `encoder.*`, `decoder.*`, at last a transposed convolution."""

from collections.abc import Iterable

from saticl.errors import InvalidOptions
from saticl.models.foreign.architecture import Outputs
from saticl.models.weights import State
from saticl.options import ModelOptions, OutputStride


class ERFNet:
    """The row `erfnet`."""

    head = "decoder.output_conv"
    unused: tuple[str, ...] = ("encoder.output_conv.",)  # what the encoder is trained with before there is a decoder

    def options(self, encoder: str, output_stride: OutputStride | None) -> ModelOptions:
        """The same network; it has one encoder, whose stride is 8.

        Raises:
            InvalidOptions: another encoder or stride.
        """
        if encoder != "erfnet" or output_stride not in (None, 8):
            raise InvalidOptions(
                "--architecture erfnet has one encoder, with a stride of 8: give --encoder erfnet, without "
                "--output-stride."
            )
        return ModelOptions(encoder="erfnet", decoder="erfnet", dropout=0.0)

    def require_strides(self, reductions: tuple[int, ...], encoder: str) -> None:
        """Any: they are its own."""

    def outputs(self, state: State) -> Outputs:
        """The last layer, whose weights [16, K, 2, 2] have outputs second."""
        weight, bias = state.pop(f"{self.head}.weight"), state.pop(f"{self.head}.bias", None)
        return Outputs(weight.transpose(0, 1) if weight.ndim == 4 else weight, bias)

    def renamed(self, names: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
        """One to one."""
        del wanted
        places = {"encoder": "body.encoder.maps", "decoder": "body.decoder"}
        parts = (name.partition(".") for name in names)
        return {f"{place}.{rest}": f"{places.get(place, place)}.{rest}" for place, _, rest in parts}
