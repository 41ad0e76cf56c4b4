from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saticl.datasets.ade20k import ADE20K, PALETTE
from saticl.datasets.base import Request
from saticl.datasets.reader import open_scene
from saticl.errors import InvalidRaster, MissingRawData
from saticl.geo import raster
from saticl.geo.palette import IndexPalette
from saticl.labels import UNLABELLED
from tests.layouts import write_ade20k
from tests.raw import picture, whole, write_picture


def test_the_colours_are_the_official_ones() -> None:
    named = {entry.name: entry.colour for entry in ADE20K.classes}

    assert len(named) == 150
    assert named["wall"] == (120, 120, 120)
    assert named["sky"] == (6, 230, 230)
    assert named["flag"] == (92, 0, 255)


@pytest.mark.parametrize("place", ["", "ADEChallengeData2016"])
def test_scenes_are_sorted_in_each_split(tmp_path: Path, place: str) -> None:
    write_ade20k(tmp_path / place, 3, 2)
    (tmp_path / place / "images" / "training" / "notes.txt").touch()

    scenes = ADE20K().scenes(tmp_path, Request())

    assert [(scene.id, scene.split) for scene in scenes] == [
        ("ADE_train_00000001", "train"),
        ("ADE_train_00000002", "train"),
        ("ADE_train_00000003", "train"),
        ("ADE_val_00000001", "test"),
        ("ADE_val_00000002", "test"),
    ]


def test_values_are_one_more_than_labels_and_0_is_no_class(tmp_path: Path) -> None:
    written = write_ade20k(tmp_path, 2, 1)

    for scene in ADE20K().scenes(tmp_path, Request()):
        raw = written[scene.id].astype(int)
        np.testing.assert_array_equal(whole(scene)[2], np.where(raw == 0, UNLABELLED, raw - 1))


@given(arrays(np.uint8, (1, 8, 11), elements=st.integers(0, 150)))
def test_every_value_has_its_label(values: np.ndarray) -> None:
    labels, _, unknown = PALETTE.decode(values)

    expected = [[UNLABELLED if value == 0 else value - 1 for value in row] for row in values[0].tolist()]
    assert labels.tolist() == expected
    assert unknown is None
    assert isinstance(PALETTE, IndexPalette)


def test_a_value_beyond_the_classes_is_an_error(tmp_path: Path) -> None:
    write_ade20k(tmp_path, 1, 1)
    write_picture(
        tmp_path / "annotations" / "training" / "ADE_train_00000001.png", np.full((1, 75, 100), 151, np.uint8)
    )

    with pytest.raises(InvalidRaster, match="7,500 pixels of 1 value of no class, such as 151"):
        whole(ADE20K().scenes(tmp_path, Request())[0])


def test_a_grey_photograph_is_read_as_three_equal_bands(tmp_path: Path) -> None:
    write_ade20k(tmp_path, 2, 1, grey=1)
    grey, coloured, _ = ADE20K().scenes(tmp_path, Request())

    image = whole(grey)[0]

    np.testing.assert_array_equal(image, raster.read(grey.image).repeat(3, 0))
    with open_scene(grey) as first, open_scene(coloured) as second:
        assert first.notes == ("the image is grey: its only band stands for red, green and blue",)
        assert first.imagery.names == ("red", "green", "blue")
        assert second.notes == ()
        assert (first.imagery.is_as_in_its_file, second.imagery.is_as_in_its_file) == (False, True)


def test_two_bands_are_not_a_grey_image(tmp_path: Path) -> None:
    write_ade20k(tmp_path, 1, 1)
    write_picture(tmp_path / "images" / "training" / "ADE_train_00000001.png", picture(75, 100, 2))
    (tmp_path / "images" / "training" / "ADE_train_00000001.png").rename(
        tmp_path / "images" / "training" / "ADE_train_00000001.jpg"
    )

    with pytest.raises(InvalidRaster, match=r"has 2 bands, but 3 are expected"):
        whole(ADE20K().scenes(tmp_path, Request())[0])


def test_images_and_masks_without_the_other_are_named(tmp_path: Path) -> None:
    write_ade20k(tmp_path, 3, 2)
    (tmp_path / "images" / "training" / "ADE_train_00000002.jpg").unlink()
    (tmp_path / "annotations" / "validation" / "ADE_val_00000001.png").unlink()

    with pytest.raises(
        MissingRawData, match="Missing: image of ADE_train_00000002; mask of ADE_val_00000001"
    ) as caught:
        ADE20K().scenes(tmp_path, Request())

    assert caught.value.lacking == {"ADE_train_00000002": ["image"], "ADE_val_00000001": ["mask"]}
    assert len(ADE20K().scenes(tmp_path, Request(allow_missing=True))) == 3


def test_an_empty_download_shows_the_tree(tmp_path: Path) -> None:
    with pytest.raises(MissingRawData, match=r"has no images of ADE20K\. Expected there:\n  images/training/"):
        ADE20K().scenes(tmp_path, Request())
    for folder in ("images/training", "annotations/training"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(MissingRawData, match=r"holds no image of ADE20K\. Expected there:\n  images/training/"):
        ADE20K().scenes(tmp_path, Request())
