import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saticl.datasets.base import Request
from saticl.datasets.cityscapes import MASKS, Cityscapes
from saticl.errors import InvalidRaster, MissingRawData
from saticl.labels import IGNORE
from tests.layouts import write_cityscapes
from tests.raw import whole, write_picture

TRAIN_IDS = {
    **{7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic_light"},
    **{20: "traffic_sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car"},
    **{27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"},
}
"""The classes that are scored, by labelId."""


def test_scenes_have_the_group_of_their_city(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, per_city=2)

    scenes = Cityscapes().scenes(tmp_path, Request())

    assert [(scene.id, scene.group, scene.split) for scene in scenes] == [
        (f"{city}_{number:06d}_000019", city, split)
        for split, cities in (("train", ("aachen", "bremen", "ulm")), ("test", ("frankfurt", "munster")))
        for city in cities
        for number in range(2)
    ]


def test_folders_may_lie_in_those_of_their_archives(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, per_city=1)
    for name in ("leftImg8bit", "gtFine"):
        (tmp_path / f"{name}_trainvaltest").mkdir()
        (tmp_path / name).rename(tmp_path / f"{name}_trainvaltest" / name)

    assert len(Cityscapes().scenes(tmp_path, Request())) == 5


@given(arrays(np.uint8, (1, 9, 8), elements=st.one_of(st.integers(0, 33), st.just(255))))
def test_label_ids_become_classes_and_all_else_is_ignored(values: np.ndarray) -> None:
    names = [entry.name for entry in Cityscapes.classes]

    labels, _, unknown = MASKS["_gtFine_labelIds.png"].decode(values)

    expected = [
        [names.index(TRAIN_IDS[value]) if value in TRAIN_IDS else IGNORE for value in row]
        for row in values[0].tolist()
    ]
    assert labels.tolist() == expected
    assert unknown is None


def test_masks_of_train_ids_serve_where_there_are_no_others(tmp_path: Path) -> None:
    written = write_cityscapes(tmp_path, 1, values=(*range(19), 255), masks="labelTrainIds")
    scene = Cityscapes().scenes(tmp_path, Request())[0]
    np.testing.assert_array_equal(whole(scene)[2], written[scene.id])

    write_cityscapes(tmp_path, 1)

    assert str(Cityscapes().scenes(tmp_path, Request())[0].mask).endswith("_gtFine_labelIds.png")


def test_a_value_that_is_no_label_id_is_an_error(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, per_city=1)
    path = tmp_path / "gtFine" / "train" / "aachen" / "aachen_000000_000019_gtFine_labelIds.png"
    write_picture(path, np.full((1, 66, 130), 34, np.uint8))

    with pytest.raises(InvalidRaster, match="of no class, such as 34"):
        whole(Cityscapes().scenes(tmp_path, Request())[0])


def test_test_images_without_masks_are_no_scenes(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, per_city=1)
    shutil.copytree(tmp_path / "leftImg8bit" / "val", tmp_path / "leftImg8bit" / "test")

    assert len(Cityscapes().scenes(tmp_path, Request())) == 5


def test_images_and_masks_without_the_other_are_named(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, per_city=1)
    (tmp_path / "leftImg8bit" / "train" / "ulm" / "ulm_000000_000019_leftImg8bit.png").unlink()
    (tmp_path / "gtFine" / "val" / "munster" / "munster_000000_000019_gtFine_labelIds.png").unlink()

    with pytest.raises(MissingRawData, match="image of ulm_000000_000019; mask of munster_000000_000019"):
        Cityscapes().scenes(tmp_path, Request())
    assert len(Cityscapes().scenes(tmp_path, Request(allow_missing=True))) == 3


def test_a_download_without_masks_shows_the_tree(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, per_city=1)
    shutil.rmtree(tmp_path / "gtFine")

    with pytest.raises(
        MissingRawData, match=r"has no masks \(gtFine\) of Cityscapes\. Expected there:\n  leftImg8bit/"
    ):
        Cityscapes().scenes(tmp_path, Request())
