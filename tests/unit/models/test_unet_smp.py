"""The decoder of segmentation_models_pytorch: shapes, and what makes it differ from ours. Its values: test_foreign."""

import pytest
import torch
from torch.testing import assert_close

from saticl.models.segmenter import Segmenter
from saticl.models.unet_smp import UNetSMP
from saticl.options import ModelOptions
from tests.foreign import OPTIONS


@pytest.mark.parametrize("strides", [(2, 4, 8, 16, 32), (4, 8, 16, 32), (1, 2, 4, 8, 16, 32)])
def test_the_result_has_the_size_of_the_image(strides: tuple[int, ...]) -> None:
    channels = range(3, 3 + len(strides))
    decoder = UNetSMP(tuple(channels), "std", "relu")
    stages = [torch.randn(2, width, 96 // s, 64 // s) for width, s in zip(channels, strides, strict=True)]

    pixels = decoder(stages)

    assert pixels.shape == (2, decoder.width, 96, 64)
    assert decoder.width == 16


def test_more_maps_than_blocks_get_narrow_blocks_of_their_own() -> None:
    decoder = UNetSMP((2,) * 8, "std", "relu")

    assert [block[0].out_channels for block in decoder.blocks] == [256, 128, 64, 32, 16, 16, 16]
    assert decoder([torch.randn(2, 2, 4, 4)] * 8).shape == (2, 16, 4, 4)


def test_maps_are_enlarged_by_repeating_pixels() -> None:
    """Without neighbours in the convolutions, blocks of 32 pixels that share the deepest pixel have one value."""
    decoder = UNetSMP((3,), "std", "relu").eval()
    for block in decoder.blocks:
        for conv in (block[0], block[2]):
            conv.weight.data[..., [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0

    pixels = decoder([torch.randn(1, 3, 2, 2)])

    assert_close(pixels, pixels[..., ::32, ::32].repeat_interleave(32, -1).repeat_interleave(32, -2))
    assert not torch.equal(pixels[..., 0, 0], pixels[..., 0, 32])


def test_a_score_sees_the_eight_pixels_around_it() -> None:
    segmenter = Segmenter(OPTIONS, 3, (2, 1), 64).eval()
    pixels = torch.randn(1, 16, 6, 6)
    changed = pixels.clone()
    changed[..., 2, 2] += 1

    moved = (segmenter.classify(changed) != segmenter.classify(pixels)).any(dim=1)[0]

    assert segmenter.body.kernel == 3
    assert moved.nonzero().tolist() == [[row, col] for row in (1, 2, 3) for col in (1, 2, 3)]


def test_the_other_decoder_still_looks_at_one_pixel() -> None:
    segmenter = Segmenter(ModelOptions(encoder="test_resnet"), 3, (2,), 64)

    assert segmenter.heads[0].weight.shape[2:] == (1, 1)
