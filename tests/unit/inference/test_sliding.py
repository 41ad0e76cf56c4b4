"""Rasters of any size through a network in windows: nothing shows where they meet."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from saticl.geo.imagery import Patch
from saticl.geo.raster import Array
from saticl.geo.windows import Window
from saticl.inference.sliding import Band, Read, Windows, blended, symmetric
from saticl.transforms.dihedral import Dihedral

FILL = (100.0, 110.0, 120.0)
REACH = 2
"""Two layers of 3 x 3: the class of a pixel depends on pixels this far away."""


class Small(nn.Module):
    """A network that sees a few pixels around each, with zeros outside of what it is given."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 4, 3, padding=1))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.layers(images.float() / 50).softmax(1)
        return found


NETWORK = Small()


def picture(height: int, width: int, dtype: type = np.uint8) -> Array:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (3, height, width)).astype(dtype)


def reading(image: Array, invalid: Array | None = None) -> Read:
    def read(window: Window) -> Patch:
        return Patch(image[:, *window.slices], None, None if invalid is None else invalid[window.slices])

    return read


def whole(bands: Iterator[Band]) -> Tensor:
    """All rows, which come in order and without a gap."""
    parts, row = [], 0
    for band in bands:
        assert band.row == row
        assert band.probabilities.shape[1:] == band.invalid.shape
        row += len(band.invalid)
        parts.append(band.probabilities)
    return torch.cat(parts, dim=1)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(16, 32), st.integers(8, 15), st.integers(1, 5))
def test_the_picture_is_what_the_network_gives_for_the_whole_raster(
    height: int, width: int, size: int, overlap: int, batch_size: int
) -> None:
    image = picture(height, width)

    found = whole(blended(reading(image), NETWORK, Windows(height, width, size, overlap, aligned=1), FILL, batch_size))

    torch.testing.assert_close(found, NETWORK(torch.from_numpy(image)[None])[0], rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(20, 60), st.integers(20, 60), st.data())
def test_a_crop_gives_the_classes_of_the_whole_inside(height: int, width: int, data: st.DataObject) -> None:
    image = picture(height, width)
    top, left = data.draw(st.integers(0, height - 9)), data.draw(st.integers(0, width - 9))
    bottom, right = data.draw(st.integers(top + 8, height)), data.draw(st.integers(left + 8, width))

    large = whole(blended(reading(image), NETWORK, Windows(height, width, 24, 12, aligned=1), FILL, 3)).argmax(0)
    crop = image[:, top:bottom, left:right]
    small = whole(blended(reading(crop), NETWORK, Windows(*crop.shape[1:], 24, 12, aligned=1), FILL, 3)).argmax(0)

    inside = slice(REACH, -REACH)
    assert small[inside, inside].equal(large[top:bottom, left:right][inside, inside])


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 70), st.integers(0, 20), st.data())
def test_some_rows_are_those_of_all_to_the_last_bit(height: int, overlap: int, data: st.DataObject) -> None:
    image, windows = picture(height, 30), Windows(height, 30, 21, overlap, aligned=1)
    first = data.draw(st.integers(0, height - 1))
    last = data.draw(st.integers(first + 1, height))

    every = whole(blended(reading(image), NETWORK, windows, FILL, 2))
    bands = list(blended(reading(image), NETWORK, windows, FILL, 2, range(first, last)))

    assert bands[0].row == first
    assert torch.cat([band.probabilities for band in bands], dim=1).equal(every[:, first:last])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_pixels_without_data_hold_the_fill_for_the_network_and_are_named(dtype: type) -> None:
    image = picture(40, 50, dtype)
    invalid = np.zeros((40, 50), np.bool_)
    invalid[10:20, 5:30] = True
    expected = image.astype(np.float32)
    expected[:, invalid] = np.array(FILL, np.float32)[:, None]

    bands = list(blended(reading(image, invalid), NETWORK, Windows(40, 50, 24, 12, aligned=1), FILL, 4))

    assert np.array_equal(np.concatenate([band.invalid for band in bands]), invalid)
    found = torch.cat([band.probabilities for band in bands], dim=1)
    torch.testing.assert_close(found, NETWORK(torch.from_numpy(expected)[None])[0], rtol=0, atol=1e-5)


class Coarse(nn.Module):
    """A network that sees the raster in squares of four pixels, with the fill beyond what it is given."""

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        below, right = -height % 4, -width % 4
        values = nn.functional.pad(images.float() - torch.tensor(FILL)[:, None, None], (0, right, 0, below)) / 50
        coarse = nn.functional.avg_pool2d(values, 4)
        seen = NETWORK.layers[0](coarse)
        scores = nn.functional.interpolate(seen, scale_factor=4, mode="nearest")[..., :height, :width]
        return scores.softmax(1)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 100), st.integers(1, 100), st.sampled_from([(32, 16), (40, 20), (64, 16)]))
def test_windows_divide_the_raster_as_the_network_does(height: int, width: int, tiling: tuple[int, int]) -> None:
    image, (size, overlap) = picture(height, width), tiling

    found = whole(blended(reading(image), Coarse(), Windows(height, width, size, overlap, aligned=4), FILL, 2))

    torch.testing.assert_close(found, Coarse()(torch.from_numpy(image)[None])[0], rtol=0, atol=1e-5)


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_windows_begin_on_the_grid_and_show_little_beyond_the_raster(height: int, width: int) -> None:
    windows = Windows(height, width, 512, 128)

    for starts, length, total, covered in zip(
        windows.starts, windows.extent, (height, width), windows.covered, strict=True
    ):
        assert all(start % 32 == 0 for start in starts)
        assert length == min(512, total)
        assert total <= covered < total + 32
        assert all(0 < right - left <= 384 for left, right in pairwise(starts))


def test_windows_without_any_data_do_not_pass_the_network() -> None:
    image, invalid = picture(64, 64), np.ones((64, 64), np.bool_)
    invalid[40:, :16] = False
    seen: list[int] = []

    def counting(images: Tensor) -> Tensor:
        seen.append(len(images))
        return NETWORK(images)

    bands = list(blended(reading(image, invalid), counting, Windows(64, 64, 16, 0, aligned=1), FILL, 8))

    assert seen == [1, 1]  # rows 32 and 48, the first column
    assert sum(len(band.invalid) for band in bands) == 64
    assert bands[0].probabilities.shape == (0, 16, 64)
    found = torch.cat([band.probabilities[:, :, :16] for band in bands if len(band.probabilities)], dim=1)
    assert found.shape == (4, 32, 16)


def test_every_pixel_is_read_once_and_the_next_rows_while_the_network_works() -> None:
    image, rows = picture(50, 20), []

    def read(window: Window) -> Patch:
        rows.append((window.row, window.height, window.col, window.width))
        return Patch(image[:, *window.slices], None, None)

    bands = blended(read, NETWORK, Windows(50, 20, 16, 6, aligned=1), FILL, 2)
    next(bands)

    list(bands)
    assert rows == [(0, 16, 0, 20), (16, 10, 0, 20), (26, 10, 0, 20), (36, 10, 0, 20), (46, 4, 0, 20)]


@pytest.mark.parametrize(("views", "passes"), [(1, 1), (4, 4), (8, 8)])
def test_the_mean_over_turned_views_turns_with_the_image(views: int, passes: int) -> None:
    seen: list[tuple[int, ...]] = []

    def watched(images: Tensor) -> Tensor:
        seen.append(tuple(images.shape))
        return NETWORK(images)

    images = torch.from_numpy(picture(9, 14))[None]
    mean = symmetric(watched, views)

    found = mean(images)

    assert len(seen) == passes
    turns = Dihedral.group()[:views]
    expected = torch.stack([turn.inverse()(NETWORK(turn(images))) for turn in turns]).mean(0)
    torch.testing.assert_close(found, expected)
    for turn in turns:
        torch.testing.assert_close(mean(turn(images)), turn(found), rtol=0, atol=1e-6)
