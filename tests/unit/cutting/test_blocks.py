"""Blocks are the same whoever cuts them, and together they are the scene."""

from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from saticl.commands import prepare as command
from saticl.commands.prepare import prepare
from saticl.cutting.blocks import ROWS_PER_BLOCK, blocks_of
from saticl.cutting.parts import Part
from saticl.cutting.strips import strips
from saticl.datasets import find
from saticl.datasets.base import Scene
from saticl.datasets.reader import open_scene
from saticl.geo import raster
from saticl.geo.windows import grid
from saticl.tiles.index import read_index
from saticl.tiles.manifest import Manifest
from tests.cutting import config, digests, prepared
from tests.raw import COMPLETE_OR_NOT, labels, picture, potsdam_scene, transform_of

HEIGHT, WIDTH = 8 + 24 * (2 * ROWS_PER_BLOCK + 2) + 5, 70
"""Rows of tiles of 32 pixels that share 8, more than two blocks hold: three blocks, and an end that fits nothing."""


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("raw")
    potsdam_scene(root, 2, 10, height=HEIGHT, width=WIDTH)
    potsdam_scene(root, 3, 13, height=HEIGHT, width=WIDTH, dsm_width=WIDTH - 1)
    potsdam_scene(root, 4, 12, height=40, width=50)
    return root


def scene_of(raw: Path, **changes: Any) -> Scene:
    scene = find("potsdam").scenes(raw, COMPLETE_OR_NOT)[0]
    return Scene(**(vars(scene) | changes))


@given(st.integers(1, 3000), st.integers(1, 500), st.integers(16, 64), st.integers(0, 15))
def test_blocks_are_all_rows_of_tiles_in_nearly_equal_parts(
    height: int, width: int, tile_size: int, overlap: int
) -> None:
    scene = Scene("a", "a", "train", "a.tif", "b.tif", None, ("x",), None, False, None)  # type: ignore[arg-type]
    found = blocks_of(scene, height, width, tile_size, overlap)
    windows = grid(height, width, tile_size, overlap)

    assert [row for block in found for row in block.rows] == list(range(len({window.row for window in windows})))
    assert [block.number for block in found] == list(range(len(found)))
    assert sum(block.tiles for block in found) == len(windows)
    sizes = {len(block.rows) for block in found}
    assert max(sizes) <= ROWS_PER_BLOCK
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("name", ["image", "mask", "dsm"])
@pytest.mark.parametrize("ending", [".png", ".JPG", ".jpeg"])
def test_a_scene_that_is_read_from_its_beginning_is_one_block(raw: Path, name: str, ending: str) -> None:
    found = blocks_of(scene_of(raw, **{name: f"a{ending}"}), 1000, 100, 32, 8)

    assert len(found) == 1


@pytest.mark.parametrize("rows", [range(0, 4), range(4, 8), range(8, 11), range(0, 1), range(10, 11)])
@pytest.mark.parametrize("budget", [1, 2**25])
def test_strips_of_a_block_are_those_of_the_scene(
    raw: Path, monkeypatch: pytest.MonkeyPatch, rows: range, budget: int
) -> None:
    monkeypatch.setattr("saticl.cutting.strips.STRIP_BYTES", budget)
    with open_scene(scene_of(raw)) as reader:
        every, block = list(strips(reader, 32, 8)), list(strips(reader, 32, 8, rows))

    tops = sorted({strip.frame.row for strip in every})
    whole = [strip for strip in every if tops.index(strip.frame.row) in rows]
    assert [strip.cells for strip in block] == [strip.cells for strip in whole]
    for one, other in zip(block, whole, strict=True):
        np.testing.assert_array_equal(one.layers.image, other.layers.image)
        np.testing.assert_array_equal(one.fresh.layers.image, other.fresh.layers.image)


def test_every_pixel_is_counted_once_over_all_blocks(raw: Path, tmp_path: Path) -> None:
    manifest = prepared(raw, tmp_path / "tiles")
    scene = manifest.scenes[0]
    image, mask = picture(HEIGHT, WIDTH, 3, 213), labels(HEIGHT, WIDTH, 210)
    small = picture(40, 50, 3, 415)
    parts = [Part.model_validate_json(path.read_bytes()) for path in (tmp_path / "tiles/parts/2_10").iterdir()]

    assert len(parts) == 3
    assert scene.counts == tuple(np.bincount(mask.ravel(), minlength=6))
    assert scene.ignored == 0
    pixels = np.concatenate([image.reshape(3, -1), small.reshape(3, -1)], axis=1)
    assert manifest.statistics.mean == pytest.approx(pixels.mean(axis=1), rel=1e-12)
    assert manifest.statistics.std == pytest.approx(pixels.std(axis=1), rel=1e-9)


def test_tiles_of_all_blocks_are_their_parts_of_the_scene(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "tiles")
    image = picture(HEIGHT, WIDTH, 3, 213)
    tiles = [tile for tile in read_index(tmp_path / "tiles") if tile.scene == "2_10"]

    assert [tile.window for tile in tiles] == grid(HEIGHT, WIDTH, 32, 8)
    for tile in tiles:
        np.testing.assert_array_equal(raster.read(tmp_path / "tiles" / tile.image), image[:, *tile.window.slices])


def test_processes_another_executor_and_shards_give_the_same_bytes(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(raw, tmp_path / "one", dsm=True)
    prepared(raw, tmp_path / "pool", dsm=True, jobs=2)
    shards = [prepare(config(raw, tmp_path / "shards", dsm=True, shard=f"{number}/3")) for number in (2, 3, 1)]
    with ThreadPoolExecutor(1) as threads:
        monkeypatch.setattr(command, "local_executor", lambda *_: _lent(threads))
        prepared(raw, tmp_path / "threads", dsm=True)

    expected = digests(tmp_path / "one")
    assert shards[:2] == [None, None]
    assert expected == digests(tmp_path / "pool") == digests(tmp_path / "shards") == digests(tmp_path / "threads")
    assert {name for name in expected if name.startswith("parts/")} == {
        *(f"parts/{scene}/000{number}.json" for scene in ("2_10", "3_13") for number in range(3)),
        "parts/4_12/0000.json",
    }


class _lent:  # noqa: N801 - a context manager
    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def __enter__(self) -> Executor:
        return self._executor

    def __exit__(self, *_: object) -> None: ...


def test_shards_of_one_scene_share_its_blocks(raw: Path, tmp_path: Path) -> None:
    root = tmp_path / "tiles"

    prepare(config(raw, root, shard="1/3"))

    assert sorted(path.relative_to(root / "parts").as_posix() for path in root.glob("parts/*/*")) == [
        "2_10/0000.json",
        "3_13/0001.json",
    ]


@pytest.fixture
def empty_corner(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A scene of several blocks whose empty part begins in one block and ends in the next."""
    invalid = np.zeros((HEIGHT, 50), np.bool_)
    invalid[125:170, 10:45] = True
    pixels = np.random.default_rng(0).integers(1, 60_000, (2, HEIGHT, 50)).astype(np.uint16)
    pixels[:, invalid] = 0
    pixels[0, :5] = 0  # a real zero: the other band has a value
    raster.write(tmp_path / "raw/a.tif", pixels, transform_of(2, 10), None, nodata=0)
    raster.write(tmp_path / "raw/a_mask.tif", labels(HEIGHT, 50, classes=2)[None], transform_of(2, 10), None)
    heights = np.full((1, HEIGHT, 50), 7, np.float32)
    raster.write(tmp_path / "raw/a_dsm.tif", heights, transform_of(2, 10), None)
    (tmp_path / "own.yaml").write_text(
        'images: "{name}.tif"\nmasks: "{name}_mask.tif"\ndsm: "{name}_dsm.tif"\nbands: [x, y]\n'
        "classes: {p: 0, q: 1}\nsplit: {by: scene, train: [a], skip: [a_mask, a_dsm]}\n"
    )
    return tmp_path, invalid


@pytest.mark.parametrize("budget", [1, 2**25])
def test_pixels_without_data_are_recorded_in_the_tiles(
    empty_corner: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    folder, invalid = empty_corner
    monkeypatch.setattr("saticl.cutting.strips.STRIP_BYTES", budget)

    manifest = prepared(folder / "raw", folder / "tiles", dataset=str(folder / "own.yaml"), dsm=True)

    tiles = read_index(folder / "tiles")
    assert {tile.invalid > 0 for tile in tiles} == {False, True}
    for tile in tiles:
        expected = invalid[tile.window.slices]
        assert tile.invalid == int(expected.sum())
        assert tile.dsm is not None
        for name in (tile.image, tile.dsm):
            with rasterio.open(folder / "tiles" / name) as source:
                np.testing.assert_array_equal(source.dataset_mask() == 0, expected)
    assert isinstance(manifest, Manifest)
    assert manifest.statistics.mean[2] == 7


def test_tiles_full_of_data_carry_no_mask(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "tiles")

    for tile in read_index(tmp_path / "tiles"):
        with rasterio.open(tmp_path / "tiles" / tile.image) as source:
            assert source.mask_flag_enums[0] == [rasterio.enums.MaskFlags.all_valid]
        assert tile.invalid == 0
