"""The synthetic city: its scenes, the files they become, and the command that writes them."""

import io
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from saticl.city import City, draw_city, resolution
from saticl.city.canvas import BUILDING, CAR, CLUTTER, IMPERVIOUS, LOW_VEGETATION, TREE
from saticl.city.light import SUN, cast_shadows
from saticl.city.raw import LAYOUTS, without_boundaries
from saticl.commands import demo as command
from saticl.commands.demo import demo
from saticl.config import DemoConfig
from saticl.datasets.base import Request
from saticl.datasets.isprs import COLOURS
from saticl.datasets.potsdam import Potsdam
from saticl.datasets.vaihingen import Vaihingen
from saticl.errors import InvalidOptions

POTSDAM_SHARES = {IMPERVIOUS: 29.6, BUILDING: 25.7, LOW_VEGETATION: 22.6, TREE: 15.5, CAR: 1.8, CLUTTER: 4.8}


@cache
def city(size: int = 512, scene: str = "2_10") -> City:
    return draw_city(size, 0, scene)


def shares(label: np.ndarray) -> np.ndarray:
    return np.bincount(label.ravel(), minlength=6) / label.size


def ndvi(scene: City, label: int) -> float:
    red, infrared = (scene.image[..., band][scene.label == label].astype(float) for band in (0, 3))
    return float(np.median((infrared - red) / (infrared + red)))


def test_the_same_seed_and_scene_give_the_same_city() -> None:
    first, second = draw_city(96, 5, "2_10"), draw_city(96, 5, "2_10")

    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.label, second.label)
    np.testing.assert_array_equal(first.dsm, second.dsm)


@pytest.mark.parametrize(("seed", "scene"), [(6, "2_10"), (5, "2_11")])
def test_another_seed_or_scene_gives_another_city(seed: int, scene: str) -> None:
    assert (draw_city(96, seed, scene).label != draw_city(96, 5, "2_10").label).mean() > 0.3


@pytest.mark.parametrize("size", [64, 65, 97, 320, 400])
def test_any_size_can_be_drawn(size: int) -> None:
    scene = city(size)

    assert scene.image.shape == (size, size, 4)
    assert scene.label.shape == scene.dsm.shape == (size, size)
    assert (scene.image.dtype, scene.label.dtype, scene.dsm.dtype) == (np.uint8, np.uint8, np.float32)
    assert scene.resolution == resolution(size)


@pytest.mark.parametrize(("size", "seed"), [*product([96, 150], range(6))])
def test_every_scene_holds_every_class(size: int, seed: int) -> None:
    assert (shares(draw_city(size, seed, "3_13").label) > 0.003).all()


def test_shares_are_roughly_those_of_potsdam() -> None:
    scenes = ("2_10", "2_11", "3_10", "2_13")
    mean = 100 * np.mean([shares(city(512, scene).label) for scene in scenes], axis=0)

    for label, share in POTSDAM_SHARES.items():
        assert 0.6 * share < mean[label] < 1.5 * share


@pytest.mark.parametrize("scene", ["2_10", "3_10"])
def test_only_plants_are_bright_in_the_near_infrared(scene: str) -> None:
    values = [ndvi(city(512, scene), label) for label in range(6)]

    assert min(values[TREE], values[LOW_VEGETATION]) > 0.08
    assert values[TREE] > values[LOW_VEGETATION]
    assert max(values[label] for label in (IMPERVIOUS, BUILDING, CAR, CLUTTER)) < 0


def test_buildings_and_trees_rise_above_the_ground() -> None:
    scene = city()
    ground = np.median(scene.dsm[scene.label == IMPERVIOUS])

    for label, metres in ((BUILDING, 3.0), (TREE, 2.0), (CAR, 0.5)):
        assert np.median(scene.dsm[scene.label == label]) > ground + metres
    assert np.isfinite(scene.dsm).all()


def test_no_street_runs_in_the_same_direction_in_all_scenes() -> None:
    turns = []
    for scene in ("2_10", "2_11", "3_10", "3_11"):
        down, right = np.gradient((city(512, scene).label == BUILDING).astype(float))
        # Four-fold mean direction of the walls: 0 for upright ones.
        turns.append(np.angle(((right + 1j * down) ** 4).sum()) / 4)

    assert np.ptp(turns) > 0.2


def test_shadows_fall_away_from_the_sun_and_are_as_long_as_the_object_is_high() -> None:
    height = np.zeros((101, 101), np.float32)
    height[50, 50] = 20.0

    shadow = cast_shadows(np.repeat(np.repeat(height, 3, 0), 3, 1), 1.0)

    steps = np.arange(-40, 41)
    rows, cols = (np.rint(151 + steps * direction).astype(int) for direction in SUN[::-1])
    along = shadow[rows, cols]
    assert along[steps > 3].max() == 0
    assert along[(steps < -3) & (steps > -17)].min() > 0.5
    assert along[steps < -24].max() < 0.05


@given(st.sampled_from(["potsdam", "vaihingen"]), st.integers(2, 33))
def test_about_a_third_of_the_scenes_are_official_test_scenes(name: str, count: int) -> None:
    layout = LAYOUTS[name]

    scenes = layout.scenes(count)

    tests = [scene for scene in scenes if scene in layout.test]
    assert len(set(scenes)) == count
    assert set(scenes) <= {*layout.train, *layout.test}
    assert len(tests) == pytest.approx(count / 3, abs=max(1, count - 16 - count / 3))


def test_six_scenes_are_a_compact_patch() -> None:
    assert LAYOUTS["potsdam"].scenes(6) == ["2_10", "2_11", "3_10", "3_11", "2_13", "3_13"]


@given(st.integers(0, 2**32 - 1))
def test_eroded_labels_lack_exactly_what_is_near_another_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    label = np.kron(rng.integers(0, 6, (3, 3)), np.ones((9, 9), int)).astype(np.uint8)

    eroded = without_boundaries(label, 255)

    pixels = list(np.ndindex(label.shape))
    for row, col in rng.choice(pixels, 40):
        near = {label[r, c] for r, c in pixels if (r - row) ** 2 + (c - col) ** 2 <= 9}
        assert eroded[row, col] == (label[row, col] if len(near) == 1 else 255)


def write(root: Path, **options: object) -> DemoConfig:
    config = DemoConfig.model_validate({"dst": root, "scenes": 2, "size": 96, **options})
    demo(config)
    return config


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def potsdam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("city") / "potsdam"
    write(root)
    return root


@pytest.fixture(scope="module")
def vaihingen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("city") / "vaihingen"
    write(root, layout="vaihingen")
    return root


def test_the_files_of_potsdam_have_their_official_names(potsdam: Path) -> None:
    images = {name for name in contents(potsdam) if name.endswith(".tif")}

    assert images == {
        *(f"2_Ortho_RGB/top_potsdam_{scene}_RGB.tif" for scene in ("2_10", "2_13")),
        *(f"3_Ortho_IRRG/top_potsdam_{scene}_IRRG.tif" for scene in ("2_10", "2_13")),
        *(f"4_Ortho_RGBIR/top_potsdam_{scene}_RGBIR.tif" for scene in ("2_10", "2_13")),
        *(f"5_Labels_all/top_potsdam_{scene}_label.tif" for scene in ("2_10", "2_13")),
        *(f"5_Labels_all_noBoundary/top_potsdam_{scene}_label_noBoundary.tif" for scene in ("2_10", "2_13")),
        *(f"1_DSM/dsm_potsdam_{scene}.tif" for scene in ("02_10", "02_13")),
    }


def test_the_bands_of_all_images_agree(potsdam: Path) -> None:
    names = ("2_Ortho_RGB/top_potsdam_2_10_RGB", "3_Ortho_IRRG/top_potsdam_2_10_IRRG")
    rgb, irrg = (read(potsdam / f"{name}.tif") for name in names)
    rgbir = read(potsdam / "4_Ortho_RGBIR/top_potsdam_2_10_RGBIR.tif")

    np.testing.assert_array_equal(rgbir[:3], rgb)
    np.testing.assert_array_equal(rgbir[[3, 0, 1]], irrg)


def test_every_file_says_where_it_lies_and_its_world_file_agrees(potsdam: Path) -> None:
    for path in potsdam.rglob("*.tif"):
        with rasterio.open(path) as source:
            assert source.crs.to_epsg() == 32633
            assert source.res == pytest.approx((resolution(96), resolution(96)))
            transform = source.transform
        a, d, b, e, x, y = map(float, path.with_suffix(".tfw").read_text().split())
        assert (a, b, d, e) == pytest.approx((transform.a, transform.b, transform.d, transform.e))
        assert transform @ (0.5, 0.5) == pytest.approx((x, y))


def test_labels_have_exactly_the_official_colours(potsdam: Path) -> None:
    full = read(potsdam / "5_Labels_all/top_potsdam_2_10_label.tif")
    eroded = read(potsdam / "5_Labels_all_noBoundary/top_potsdam_2_10_label_noBoundary.tif")

    assert colours(full) == set(COLOURS)
    assert (0, 0, 0) in colours(eroded) <= {*COLOURS, (0, 0, 0)}
    kept = eroded.any(axis=0)
    np.testing.assert_array_equal(eroded[:, kept], full[:, kept])


def test_our_readers_find_all_scenes(potsdam: Path, vaihingen: Path) -> None:
    for root, adapter, expected in (
        (potsdam, Potsdam(), {"2_10": "train", "2_13": "test"}),
        (vaihingen, Vaihingen(), {"area1": "train", "area2": "test"}),
    ):
        for labels in ("full", "eroded"):
            scenes = adapter.scenes(root, Request({"dsm": True, "labels": labels}, allow_missing=True))
            assert {scene.id: scene.split for scene in scenes} == expected


def test_labels_of_vaihingen_are_named_like_their_image(vaihingen: Path) -> None:
    label = next(vaihingen.glob("*ground_truth_COMPLETE/*area1.tif"))

    assert (vaihingen / "top" / label.name).exists()
    assert colours(read(label)) == set(COLOURS)


def test_plants_are_bright_in_the_first_band_of_vaihingen(vaihingen: Path) -> None:
    image = read(vaihingen / "top/top_mosaic_09cm_area1.tif").astype(float)
    label = read(next(vaihingen.glob("*ground_truth_COMPLETE/*area1.tif")))
    tree = (label == np.array(COLOURS[TREE])[:, None, None]).all(axis=0)

    assert image[0][tree].mean() > 1.3 * image[1][tree].mean()


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "city")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "city").rglob("*")}

    write(tmp_path / "city")

    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "city").rglob("*")} == before


def test_an_interrupted_run_is_completed_to_the_same_bytes(potsdam: Path, tmp_path: Path) -> None:
    write(tmp_path / "city")
    (tmp_path / "city/1_DSM/dsm_potsdam_02_13.tif").unlink()

    write(tmp_path / "city")

    assert contents(tmp_path / "city") == contents(potsdam)


def test_other_options_replace_an_earlier_demo(tmp_path: Path, vaihingen: Path) -> None:
    write(tmp_path / "city", scenes=3)

    write(tmp_path / "city", layout="vaihingen")

    assert contents(tmp_path / "city") == contents(vaihingen)
    assert not (tmp_path / "city" / "2_Ortho_RGB").exists()


def test_a_folder_with_anything_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")

    with pytest.raises(InvalidOptions, match="not from an earlier demo"):
        write(tmp_path)

    assert contents(tmp_path) == {"thesis.txt": b"precious"}


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "city").write_text("")

    with pytest.raises(InvalidOptions, match="new or empty folder"):
        write(tmp_path / "city")


def test_more_scenes_than_the_layout_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="from 2 to 38"):
        write(tmp_path / "city", scenes=39)

    assert not (tmp_path / "city").exists()


def test_the_next_command_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(command, "console", Console(file=shown, width=60))

    write(tmp_path / "my city", layout="vaihingen")

    assert f"prepare --src '{tmp_path}/my city' --dst" in shown.getvalue()
    assert "--allow-missing --dataset vaihingen" in shown.getvalue()


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read()


def colours(pixels: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, np.unique(pixels.reshape(3, -1), axis=1).T.tolist()))
