import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saticl.datasets.base import Request
from saticl.datasets.voc import PALETTE, VOC, colour_of
from saticl.errors import InvalidOptions, InvalidRaster, MissingRawData
from saticl.labels import IGNORE
from tests.layouts import VOID_COLOUR, write_voc
from tests.raw import picture, whole, write_picture

PLAIN = Request({"labels": "plain"})


def test_the_colours_are_those_of_the_official_masks() -> None:
    known = {0: (0, 0, 0), 1: (128, 0, 0), 6: (0, 128, 128), 8: (64, 0, 0), 15: (192, 128, 128), 20: (0, 64, 128)}

    assert {label: colour_of(label) for label in known} == known
    assert colour_of(255) == VOID_COLOUR
    assert VOC.classes[15].name == "person"
    assert VOC.classes[15].colour == known[15]
    assert len({entry.colour for entry in VOC.classes}) == 21


@pytest.mark.parametrize("lines", ["paths", "names"])
@pytest.mark.parametrize("ending", ["\n", "", "\r\n\r\n"])
@pytest.mark.parametrize(
    ("images", "masks", "lists"),
    [
        ("JPEGImages", "SegmentationClassAug", "splits"),
        ("PascalVOC12/JPEGImages", "PascalVOC12/SegmentationClassAug", "PascalVOC12/splits"),
        ("VOCdevkit/VOC2012/JPEGImages", "SegmentationClassAug", "list"),
        ("PascalVOC2012/VOCdevkit/VOC2012/JPEGImages", "PascalVOC2012/SegmentationClassAug", "PascalVOC2012/list"),
        ("VOC2012/JPEGImages", "VOC2012/SegmentationClassAug", "VOC2012/ImageSets/Segmentation"),
    ],
)
def test_official_layouts_and_lists_give_the_same_scenes(
    tmp_path: Path, images: str, masks: str, lists: str, lines: str, ending: str
) -> None:
    written = write_voc(tmp_path, 2, 1, images=images, masks=masks, lists=lists, lines=lines, ending=ending)  # type: ignore[arg-type]

    scenes = VOC().scenes(tmp_path, Request())

    assert [(scene.id, scene.group, scene.split) for scene in scenes] == [
        (name, name, split) for name, split in zip(written, ("train", "train", "test"), strict=True)
    ]
    assert [scene.image for scene in scenes] == [str(tmp_path / images / f"{name}.jpg") for name in written]
    assert [scene.mask for scene in scenes] == [str(tmp_path / masks / f"{name}.png") for name in written]


@pytest.mark.parametrize("labels", ["aug", "plain"])
def test_masks_are_read_as_numbers_whatever_their_colours(tmp_path: Path, labels: str) -> None:
    written = write_voc(tmp_path, 2, 1, labels=labels)  # type: ignore[arg-type]

    for scene in VOC().scenes(tmp_path, Request({"labels": labels})):
        mask = whole(scene)[2]
        np.testing.assert_array_equal(mask, written[scene.id])
        assert (mask == IGNORE).any()
        assert mask.shape == written[scene.id].shape


def test_the_devkit_alone_serves_the_plain_masks_only(tmp_path: Path) -> None:
    write_voc(tmp_path, 2, 1, labels="plain")

    assert len(VOC().scenes(tmp_path, PLAIN)) == 3
    with pytest.raises(
        MissingRawData, match=r"has no masks \(SegmentationClassAug\) of Pascal VOC\. Expected there:\n"
    ):
        VOC().scenes(tmp_path, Request())
    with pytest.raises(InvalidOptions, match="no round masks: choose --labels aug or plain"):
        VOC().scenes(tmp_path, Request({"labels": "round"}))


def test_images_that_no_list_names_are_not_scenes(tmp_path: Path) -> None:
    write_voc(tmp_path, 2, 1)
    write_picture(tmp_path / "JPEGImages" / "2008_000001.jpg", picture(20, 30))

    assert len(VOC().scenes(tmp_path, Request())) == 3


def test_what_is_missing_is_named_and_may_be_accepted(tmp_path: Path) -> None:
    first, second, third = write_voc(tmp_path, 2, 1)
    (tmp_path / "JPEGImages" / f"{first}.jpg").unlink()
    (tmp_path / "SegmentationClassAug" / f"{third}.png").unlink()

    with pytest.raises(MissingRawData) as caught:
        VOC().scenes(tmp_path, Request())
    assert f"Missing: image of {first}; mask of {third}." in str(caught.value)
    assert "add --allow-missing to use the 1 complete images" in str(caught.value)
    assert caught.value.lacking == {first: ["image"], third: ["mask"]}
    assert [scene.id for scene in VOC().scenes(tmp_path, Request(allow_missing=True))] == [second]
    (tmp_path / "JPEGImages" / f"{second}.jpg").unlink()
    with pytest.raises(MissingRawData, match=r"No image is complete. Expected there:\n  JPEGImages/2007_000032\.jpg"):
        VOC().scenes(tmp_path, Request(allow_missing=True))


def test_a_line_that_names_no_file_is_a_missing_scene(tmp_path: Path) -> None:
    write_voc(tmp_path, 2, 1)
    with (tmp_path / "splits" / "val.txt").open("a") as file:
        file.write("no_such_image\n")

    with pytest.raises(MissingRawData, match="Missing: image of no_such_image; mask of no_such_image"):
        VOC().scenes(tmp_path, Request())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"splits/val\.txt is empty"),
        ("\n \n", r"splits/val\.txt is empty"),
        (
            "2007_000000 1 4",
            r"Image 1 of the list .*val\.txt has 3 words \(2007_000000 1 4\): expected a name, or the",
        ),
        ("2009_000002\n2009_000002\n", "The image 2009_000002 is named more than once in"),
        ("2007_000000\n", "The image 2007_000000 is named more than once in"),
        ("\udcff", "cannot be read as text"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    write_voc(tmp_path, 2, 1)
    (tmp_path / "splits" / "val.txt").write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(MissingRawData, match=words):
        VOC().scenes(tmp_path, Request())


@pytest.mark.parametrize("missing", ["JPEGImages", "splits/train_aug.txt", "splits/val.txt"])
def test_a_download_without_a_part_shows_the_tree(tmp_path: Path, missing: str) -> None:
    write_voc(tmp_path, 2, 1)
    path = tmp_path / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()

    with pytest.raises(MissingRawData, match=r"(?s)of Pascal VOC.*Expected there:\n  JPEGImages/2007_000032\.jpg"):
        VOC().scenes(tmp_path, Request())
    with pytest.raises(MissingRawData, match=r"nowhere does not exist\. Expected for Pascal VOC:\n  JPEGImages"):
        VOC().scenes(tmp_path / "nowhere", Request())


def test_a_mask_of_colours_is_an_error(tmp_path: Path) -> None:
    first = next(iter(write_voc(tmp_path, 1, 1)))
    write_picture(tmp_path / "SegmentationClassAug" / f"{first}.png", np.full((3, 75, 100), 192, np.uint8))

    with pytest.raises(InvalidRaster, match=r"7,500 pixels of 1 value of no class, such as 192 .* repair the mask"):
        whole(VOC().scenes(tmp_path, Request())[0])


@given(arrays(np.uint8, (1, 9, 7), elements=st.one_of(st.integers(0, 20), st.just(255))))
def test_every_value_of_a_mask_is_its_label(values: np.ndarray) -> None:
    decoded = PALETTE.decode(values)

    np.testing.assert_array_equal(decoded.labels, values[0])
    assert decoded.unknown is None
