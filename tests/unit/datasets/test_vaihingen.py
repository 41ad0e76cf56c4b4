import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from saticl.datasets.base import Request
from saticl.datasets.vaihingen import SPLITS, Vaihingen
from saticl.errors import InvalidOptions, MissingRawData
from tests.raw import labels, picture, vaihingen_scene, whole

PARTIAL = Request({"dsm": True}, allow_missing=True)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for area in (1, 2, 9):
        vaihingen_scene(tmp_path / "raw", area)
    return tmp_path / "raw"


def renamed(root: Path) -> None:
    """The predecessor's folders."""
    (root / "gts_for_participants").rename(root / "gt_complete")
    (root / "gts_eroded_for_participants").rename(root / "gt_eroded")


def zipped(root: Path) -> None:
    """The three archives: labels lie in the last two without a folder."""
    stem = "ISPRS_semantic_labeling_Vaihingen"
    with zipfile.ZipFile(root / f"{stem}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((*(root / "top").iterdir(), *(root / "dsm").iterdir())):
            archive.write(file, file.relative_to(root).as_posix())
    for folder, ending in (("gts_for_participants", ""), ("gts_eroded_for_participants", "_eroded")):
        with zipfile.ZipFile(root / f"{stem}_ground_truth{ending}_COMPLETE.zip", "w") as archive:
            for file in sorted((root / folder).iterdir()):
                archive.write(file, file.name)
    for folder in ("top", "dsm", "gts_for_participants", "gts_eroded_for_participants"):
        shutil.rmtree(root / folder)


def unpacked_labels(root: Path) -> None:
    """Labels unpacked into the root, beside top/."""
    for folder in ("gts_for_participants", "gts_eroded_for_participants"):
        for file in (root / folder).iterdir():
            file.rename(root / file.name)


@pytest.mark.parametrize("change", [None, renamed, zipped, unpacked_labels])
def test_labels_that_share_the_name_of_the_image_are_told_apart(
    raw: Path, change: Callable[[Path], None] | None
) -> None:
    if change is not None:
        change(raw)

    first, second = Vaihingen().scenes(raw, PARTIAL)
    image, dsm, mask = whole(first)

    assert (first.id, first.split, second.id, second.split) == ("area1", "train", "area2", "test")
    assert first.bands == ("nir", "red", "green")
    np.testing.assert_array_equal(image, picture(70, 60, 3, 1))
    np.testing.assert_array_equal(mask, labels(70, 60, 1))
    assert dsm is not None
    assert (dsm == 270).all()


@pytest.mark.parametrize("change", [None, renamed, zipped, unpacked_labels])
def test_eroded_labels_are_found(raw: Path, change: Callable[[Path], None] | None) -> None:
    if change is not None:
        change(raw)

    _, _, mask = whole(Vaihingen().scenes(raw, Request({"labels": "eroded"}, allow_missing=True))[0])

    full = labels(70, 60, 1)
    np.testing.assert_array_equal(mask, np.where(full == 1, 255, full))


def test_ids_may_be_padded(raw: Path) -> None:
    for folder in ("top", "gts_for_participants"):
        (raw / folder / "top_mosaic_09cm_area1.tif").rename(raw / folder / "top_mosaic_09cm_area01.tif")

    assert [scene.id for scene in Vaihingen().scenes(raw, PARTIAL)] == ["area1", "area2"]


def test_the_unused_area_9_belongs_to_no_split() -> None:
    assert len(SPLITS) == 33
    assert "area9" not in SPLITS


def test_only_irrg_is_offered(raw: Path) -> None:
    with pytest.raises(InvalidOptions, match="no rgb images: choose --channels irrg"):
        Vaihingen().scenes(raw, Request({"channels": "rgb"}))


def test_an_incomplete_download_is_refused_with_what_lacks(raw: Path) -> None:
    with pytest.raises(MissingRawData, match="IRRG image of area3"):
        Vaihingen().scenes(raw, Request())
