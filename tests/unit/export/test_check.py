"""A file that would not give what the step gives is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from saticl.errors import InvalidOptions
from saticl.export.check import TOLERANCE, largest_difference, sizes
from saticl.export.portable import Portable
from tests.exported import MEAN, about, segmenter


@pytest.fixture(scope="module")
def step() -> Portable:
    of = about()
    return Portable(segmenter(of), of)


def shifted(step: Portable, by: float) -> Callable[[Tensor], Tensor]:
    return lambda tiles: step(tiles) + by


def test_the_largest_difference_is_told(step: Portable) -> None:
    assert largest_difference(step, step, None) == 0
    assert largest_difference(step, shifted(step, 5e-5), None) == pytest.approx(5e-5, rel=0.01)
    assert largest_difference(step, shifted(step, -5e-5), 32) == pytest.approx(5e-5, rel=0.01)


@pytest.mark.parametrize("by", [1.2e-4, -1.2e-4, float("nan")])
def test_more_than_the_tolerance_is_refused(by: float, step: Portable) -> None:
    assert TOLERANCE == 1e-4
    with pytest.raises(InvalidOptions, match=r"1 x 1 x 1 pixels probabilities differ by up to .*Nothing was written"):
        largest_difference(step, shifted(step, by), None)


def test_a_file_that_holds_for_one_size_alone_is_found(step: Portable) -> None:
    def run(tiles: Tensor) -> Tensor:
        return step(tiles) + (tiles.shape[-2:] != (64, 64))

    with pytest.raises(InvalidOptions, match="add --tile-size 64"):
        largest_difference(step, run, None)
    assert largest_difference(step, run, 64) == 0


def test_a_file_that_fails_or_gives_another_shape_is_refused(step: Portable) -> None:
    def fails(tiles: Tensor) -> Tensor:
        raise RuntimeError("Add node")

    with pytest.raises(InvalidOptions, match=r"1 x 64 x 64 pixels it fails \(RuntimeError\).*Choose another --format"):
        largest_difference(step, fails, 64)
    with pytest.raises(InvalidOptions, match=r"it gives \[1, 3, 64, 64\] for \[1, 4, 64, 64\].*another --format"):
        largest_difference(step, lambda tiles: step(tiles)[:, :3], 64)


def test_many_sizes_are_tried_where_all_are_promised() -> None:
    tried = sizes(None, 256)

    assert {(1, 1, 1), (2, 33, 97), (3, 64, 64), (1, 257, 255)} == {*tried}
    assert sizes(None, 1)[-1] == (1, 2, 1)
    assert sizes(48, 256) == [(1, 48, 48), (3, 48, 48)]


def test_tiles_look_like_the_data_and_are_always_the_same(step: Portable) -> None:
    tiles = step.tiles(2, 100, 100)

    assert tiles.shape == (2, 3, 100, 100)
    torch.testing.assert_close(tiles.mean((0, 2, 3)), torch.tensor(MEAN), rtol=0, atol=1.5)
    torch.testing.assert_close(tiles.std((0, 2, 3)), torch.tensor([40.0, 50.0, 1.0]), rtol=0.05, atol=0)
    assert tiles.equal(step.tiles(2, 100, 100))


@pytest.mark.parametrize(
    ("encoder", "only", "interpolates"),
    [("test_resnet", None, False), ("test_vit", None, True), ("convit_tiny", 64, False)],
)
def test_encoders_are_known_by_the_sizes_they_take(encoder: str, only: int | None, interpolates: bool) -> None:
    of = about(encoder).model_copy(update={"image_size": 60})
    step = Portable(segmenter(of), of)

    assert step.only_side == only
    assert step.interpolates is interpolates
    assert step.training_side == 64


def test_opening_needs_a_finished_step(tmp_path: Path) -> None:
    from saticl.errors import InvalidCheckpoint

    with pytest.raises(InvalidCheckpoint, match="There is no checkpoint"):
        Portable.open(tmp_path / "model.safetensors")
