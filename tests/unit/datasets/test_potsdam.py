import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from saticl.datasets.base import Request
from saticl.datasets.isprs import COLOURS
from saticl.datasets.potsdam import SPLITS, TEST, TRAIN, Potsdam
from saticl.datasets.reader import open_scene
from saticl.errors import InvalidOptions, InvalidRaster, MissingRawData
from saticl.geo.palette import encode
from saticl.geo.raster import write
from saticl.geo.windows import Window
from tests.raw import HERE, labels, picture, potsdam_scene, transform_of, whole, write_picture

PARTIAL = Request({"dsm": True}, allow_missing=True)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    potsdam_scene(root, 2, 10)
    potsdam_scene(root, 3, 13, dsm_width=99)
    return root


def renamed(root: Path) -> None:
    """The predecessor's folders."""
    pairs = {"2_Ortho_RGB": "rgb", "3_Ortho_IRRG": "irrg", "4_Ortho_RGBIR": "rgbir", "1_DSM": "dsm"}
    for old, new in {
        **pairs,
        "5_Labels_all": "labels_all",
        "5_Labels_all_noBoundary": "labels_all_noBoundary",
    }.items():
        (root / old).rename(root / new)


def zipped(root: Path) -> None:
    """Archives as they are downloaded: images in a folder of the same name, labels without one."""
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        with zipfile.ZipFile(root / f"{folder.name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name if "Labels" in folder.name else f"{folder.name}/{file.name}")
        shutil.rmtree(folder)


def nested(root: Path) -> None:
    """Unpacked into a folder of the archive's name, once more."""
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        (root / "Potsdam" / folder.name).mkdir(parents=True)
        folder.rename(root / "Potsdam" / folder.name / folder.name)


def flat(root: Path) -> None:
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        for file in folder.iterdir():
            file.rename(root / file.name)
        folder.rmdir()


@pytest.mark.parametrize("change", [None, renamed, zipped, nested, flat])
@pytest.mark.parametrize(("channels", "bands"), [(None, 3), ("irrg", 3), ("rgbir", 4)])
def test_every_layout_gives_the_same_pixels(
    raw: Path, change: Callable[[Path], None] | None, channels: str | None, bands: int
) -> None:
    if change is not None:
        change(raw)
    choices = {"dsm": True} if channels is None else {"dsm": True, "channels": channels}
    request = Request(choices, allow_missing=True)

    first, second = Potsdam().scenes(raw, request)
    image, dsm, mask = whole(first)

    assert (first.id, first.split, second.id, second.split) == ("2_10", "train", "3_13", "test")
    expected = picture(90, 100, bands, 210 + (4 if channels == "rgbir" else 3))
    np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(mask, labels(90, 100, 210))
    assert dsm is not None
    assert dsm.shape == (1, 90, 100)


@pytest.mark.parametrize("change", [None, renamed, zipped, nested, flat])
def test_world_files_place_the_scene(raw: Path, change: Callable[[Path], None] | None) -> None:
    if change is not None:
        change(raw)
    scene, _ = Potsdam().scenes(raw, Request(allow_missing=True, crs="EPSG:32633"))

    with open_scene(scene) as reader:
        assert reader.transform.almost_equals(transform_of(2, 10), 1e-6)
        assert reader.crs.to_epsg() == 32633


def test_a_world_file_beside_the_surface_model_serves_too(raw: Path) -> None:
    (raw / "2_Ortho_RGB/top_potsdam_2_10_RGB.tfw").rename(raw / "1_DSM/dsm_potsdam_02_10.tfw")

    with open_scene(Potsdam().scenes(raw, PARTIAL)[0]) as reader:
        assert reader.transform.almost_equals(transform_of(2, 10), 1e-6)


@pytest.mark.parametrize("change", [None, renamed, zipped, nested, flat])
def test_eroded_labels_ignore_boundaries(raw: Path, change: Callable[[Path], None] | None) -> None:
    if change is not None:
        change(raw)
    _, _, mask = whole(Potsdam().scenes(raw, Request({"labels": "eroded"}, allow_missing=True))[0])

    assert (mask[::8] == 255).all()
    np.testing.assert_array_equal(mask[1:8], labels(90, 100, 210)[1:8])


def test_a_surface_model_without_its_last_column_repeats_the_edge(raw: Path) -> None:
    _, dsm, _ = whole(Potsdam().scenes(raw, PARTIAL)[1])

    assert dsm is not None
    np.testing.assert_array_equal(dsm[..., -1], dsm[..., -2])
    with open_scene(Potsdam().scenes(raw, PARTIAL)[1]) as reader:
        assert reader.notes == ("the surface model has 1 columns less than the image: the edge is repeated",)


def test_a_surface_model_of_another_size_is_refused_with_both_sizes(raw: Path) -> None:
    write(raw / "1_DSM/dsm_potsdam_02_10.tif", np.zeros((1, 50, 50), np.float32), HERE, None)

    with (
        pytest.raises(InvalidRaster, match=r"dsm_potsdam_02_10.*50 x 50.*100 x 90"),
        open_scene(Potsdam().scenes(raw, PARTIAL)[0]),
    ):
        pass


def test_a_blended_mask_is_restored_and_counted(raw: Path) -> None:
    clean = encode(labels(90, 100, 210), COLOURS).astype(int)
    noise = np.random.default_rng(0).integers(1, 60, clean.shape)
    blended = np.where(clean > 0, clean - noise, clean + noise).astype(np.uint8)
    write(raw / "5_Labels_all/top_potsdam_2_10_label.tif", blended, HERE, None)
    scene = Potsdam().scenes(raw, PARTIAL)[0]

    _, _, mask = whole(scene)

    np.testing.assert_array_equal(mask, labels(90, 100, 210))
    with open_scene(scene) as reader:
        pixels = reader.read(Window(0, 0, 90, 100))
    assert pixels.inexact is not None
    assert pixels.inexact.all()
    assert pixels.unknown is None


def test_cars_of_252_instead_of_255_are_cars(raw: Path) -> None:
    rgb = encode(labels(90, 100, 210), COLOURS)
    cars = labels(90, 100, 210) == 4
    rgb[0, cars] = 252
    write(raw / "5_Labels_all/top_potsdam_2_10_label.tif", rgb, HERE, None)

    _, _, mask = whole(Potsdam().scenes(raw, PARTIAL)[0])

    assert (mask[cars] == 4).all()


def test_the_normalised_surface_model_serves_only_where_no_scene_has_the_plain_one(raw: Path) -> None:
    normalised = raw / "dsm" / "dsm_potsdam_02_10_normalized_lastools.jpg"
    write_picture(normalised, np.full((1, 90, 100), 50, np.uint8))

    plain = Potsdam().scenes(raw, PARTIAL)[0].dsm
    shutil.rmtree(raw / "1_DSM")
    scenes = Potsdam().scenes(raw, PARTIAL)

    assert plain is not None
    assert plain.endswith("dsm_potsdam_02_10.tif")
    assert [scene.id for scene in scenes] == ["2_10"]
    assert scenes[0].dsm == str(normalised)


def test_the_official_split_has_24_and_14_scenes() -> None:
    assert (len(TRAIN), len(TEST), len(SPLITS)) == (24, 14, 38)


def test_an_incomplete_download_is_refused_with_what_lacks(raw: Path) -> None:
    (raw / "5_Labels_all/top_potsdam_2_10_label.tif").unlink()

    with pytest.raises(
        MissingRawData,
        match=r"incomplete\. Missing: RGB image of 2_11, 2_12.*; label of 2_10, 2_11.*allow-missing.* 1 ",
    ):
        Potsdam().scenes(raw, Request())


def test_only_complete_scenes_are_cut_where_that_is_accepted(raw: Path) -> None:
    (raw / "5_Labels_all/top_potsdam_2_10_label.tif").unlink()

    assert [scene.id for scene in Potsdam().scenes(raw, Request(allow_missing=True))] == ["3_13"]


@pytest.mark.parametrize("exists", [True, False])
def test_an_empty_or_missing_folder_shows_the_expected_tree(tmp_path: Path, exists: bool) -> None:
    root = tmp_path / "nothing"
    if exists:
        root.mkdir()

    with pytest.raises(MissingRawData, match=r"nothing.*\n.*2_Ortho_RGB/top_potsdam_2_10_RGB\.tif"):
        Potsdam().scenes(root, Request(allow_missing=True))


def test_a_download_without_any_complete_scene_is_refused_even_so(raw: Path) -> None:
    shutil.rmtree(raw / "5_Labels_all")

    with pytest.raises(MissingRawData, match="No scene is complete"):
        Potsdam().scenes(raw, Request(allow_missing=True))


def test_a_damaged_archive_is_named(raw: Path) -> None:
    (raw / "6_More.zip").write_bytes(b"PK\x03\x04 and no more")

    with pytest.raises(MissingRawData, match=r"6_More\.zip is damaged"):
        Potsdam().scenes(raw, PARTIAL)


def test_unknown_channels_are_refused(raw: Path) -> None:
    with pytest.raises(InvalidOptions, match="rgb or irrg or rgbir"):
        Potsdam().scenes(raw, Request({"channels": "sar"}))
