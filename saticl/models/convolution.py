"""A convolution with its norm and activation: what most decoders are made of."""

from torch import nn

from saticl.models.norm import ActName, NormName, activated_norm


def normed_conv(
    inputs: int, width: int, norm: NormName, act: ActName, kernel: int = 1, dilation: int = 1
) -> nn.Sequential:
    """[B, inputs, h, w] to [B, width, h, w]; `kernel` is odd, beyond the border pixels are 0."""
    reach = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, width, kernel, padding=reach, dilation=dilation, bias=False),
        activated_norm(norm, width, act),
    )
