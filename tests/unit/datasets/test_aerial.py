"""The aerial datasets: each in its official layout, with the classes, splits, groups and bands that are published."""

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from saticl import datasets
from saticl.commands import listing
from saticl.datasets import BUILT_IN, flair, uavid
from saticl.datasets.base import Request, Scene
from saticl.datasets.pairs import PairedDataset, is_held_out
from saticl.errors import InvalidOptions, InvalidRaster, MissingRawData
from saticl.geo import raster
from saticl.geo.raster import write
from saticl.labels import IGNORE, UNLABELLED
from saticl.views import Views
from tests.aerial_raw import BANDS, NO_CLASS, RAW, WRITERS, Truth, Written, colour_of, image, values
from tests.cutting import prepared
from tests.raw import HERE, whole, write_picture

ALL = sorted(WRITERS)
OF_NO_CLASS = {"ignored": IGNORE, "unlabelled": UNLABELLED}
BAND_NAMES = {
    "flair": ("red", "green", "blue", "nir", "elevation"),
    "agriculture_vision": ("red", "green", "blue", "nir"),
    "agriculture_vision_2021": ("red", "green", "blue", "nir"),
    "five_billion_pixels": ("nir", "red", "green", "blue"),
}
"""Where they are not red, green, blue."""

BACKGROUNDS = {
    "isaid": "background",
    "loveda": "background",
    "uavid": "clutter",
    "agriculture_vision": "background",
    "agriculture_vision_2021": "background",
}


def expected(dataset: str, truth: Truth) -> np.ndarray:
    """[H, W]: the dataset labels of a scene, from the table of raw values."""
    names = [name for _, (name, _) in sorted(RAW[dataset].items()) if name not in NO_CLASS]
    lookup = np.full(256, 77, np.uint8)
    for value, (name, _) in RAW[dataset].items():
        lookup[value] = OF_NO_CLASS.get(name) or names.index(name)
    return lookup[truth.raw]


def scenes_of(dataset: str, root: Path, request: Request | None = None) -> dict[str, Scene]:
    return {scene.id: scene for scene in datasets.find(dataset).scenes(root, request or Request())}


def belonging(scenes: dict[str, Scene]) -> dict[str, tuple[str, str]]:
    return {name: (scene.split, scene.group) for name, scene in scenes.items()}


def asked_for(written: Written) -> dict[str, tuple[str, str]]:
    return {name: (truth.split, truth.group) for name, truth in written.items()}


def check_pixels(dataset: str, scene: Scene, truth: Truth) -> None:
    pixels, _, labels = whole(scene)

    np.testing.assert_array_equal(labels, expected(dataset, truth))
    assert np.abs(pixels.astype(int) - image(truth.raw, truth.bands)).max() <= 4  # JPEG


@pytest.mark.parametrize("dataset", ALL)
def test_classes_are_those_of_the_official_table(dataset: str) -> None:
    adapter = datasets.find(dataset)
    table = [
        (name, colour_of(dataset, value) if colour else None)
        for value, (name, colour) in sorted(RAW[dataset].items())
        if name not in NO_CLASS
    ]

    assert [entry.name for entry in adapter.classes] == [name for name, _ in table]
    for entry, (_, colour) in zip(adapter.classes, table, strict=True):
        assert colour in (None, entry.colour)


@pytest.mark.parametrize("adapter", BUILT_IN, ids=lambda adapter: adapter.name)
def test_no_name_and_no_colour_comes_twice(adapter: type[PairedDataset]) -> None:
    names, colours = ([getattr(entry, part) for entry in adapter.classes] for part in ("name", "colour"))

    assert len(set(names)) == len(names)
    assert len(set(colours)) == len(colours)
    assert adapter.background in (None, *names)
    assert adapter.licence
    assert adapter.citation


def test_every_aerial_dataset_has_a_writer() -> None:
    assert {adapter.name for adapter in BUILT_IN if issubclass(adapter, PairedDataset)} == set(WRITERS)


@pytest.mark.parametrize("dataset", ALL)
def test_the_official_layout_becomes_tiles(tmp_path: Path, dataset: str) -> None:
    written = WRITERS[dataset](tmp_path / "raw")

    manifest = prepared(tmp_path / "raw", tmp_path / "tiles", dataset=dataset, allow_missing=False, tile_size=48)

    adapter = datasets.find(dataset)
    assert {scene.id: (scene.split, scene.group) for scene in manifest.scenes} == asked_for(written)
    assert manifest.bands == BAND_NAMES.get(dataset, ("red", "green", "blue"))
    assert manifest.background == adapter.background == BACKGROUNDS.get(dataset)
    assert (manifest.licence, manifest.citation, manifest.views) == (adapter.licence, adapter.citation, adapter.views)
    for scene in manifest.scenes:
        labels = expected(dataset, written[scene.id])
        assert scene.counts == tuple(int((labels == label).sum()) for label in range(len(adapter.classes)))
        assert scene.unlabelled == int((labels == UNLABELLED).sum())
        assert (scene.ignored, scene.residual) == (int((labels == IGNORE).sum()), 0)
    counted = np.sum([scene.counts for scene in manifest.scenes], axis=0)
    assert (counted > 0).all(), "every class is drawn somewhere"


@pytest.mark.parametrize("dataset", ALL)
def test_pixels_are_those_of_the_files(tmp_path: Path, dataset: str) -> None:
    written = WRITERS[dataset](tmp_path)

    for name, scene in scenes_of(dataset, tmp_path).items():
        check_pixels(dataset, scene, written[name])


def nested(root: Path) -> None:
    """Unpacked into folders of the archives' names, once more."""
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        (root / "Download" / "archive").mkdir(parents=True, exist_ok=True)
        folder.rename(root / "Download" / "archive" / folder.name)


def zipped(root: Path) -> None:
    """As downloaded: an archive per folder."""
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        with zipfile.ZipFile(root / f"{folder.name}.zip", "w") as archive:
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                archive.write(file, file.relative_to(root))
        shutil.rmtree(folder)


def flat_masks_in_upper_case(root: Path) -> None:
    """Names as they look after a detour over another system."""
    for path in [path for path in root.rglob("*.*") if path.is_file() and path.suffix != ".txt"]:
        path.rename(path.with_name(path.name.upper()))


@pytest.mark.parametrize("dataset", ALL)
@pytest.mark.parametrize("change", [nested, zipped, flat_masks_in_upper_case])
def test_other_layouts_give_the_same_scenes(tmp_path: Path, dataset: str, change: Callable[[Path], None]) -> None:
    written = WRITERS[dataset](tmp_path)
    change(tmp_path)

    scenes = scenes_of(dataset, tmp_path)

    assert belonging(scenes) == asked_for(written)
    last = max(scenes)
    check_pixels(dataset, scenes[last], written[last])


@pytest.mark.parametrize("dataset", ALL)
@pytest.mark.parametrize("part", ["image", "mask"])
def test_an_incomplete_scene_is_refused_or_left_out(tmp_path: Path, dataset: str, part: str) -> None:
    written = WRITERS[dataset](tmp_path)
    victim = min(name for name, truth in written.items() if truth.split == "train")
    Path(getattr(scenes_of(dataset, tmp_path)[victim], part)).unlink()

    with pytest.raises(
        MissingRawData, match=rf"incomplete: 1 scene lacks files: {victim} .*--allow-missing"
    ) as caught:
        scenes_of(dataset, tmp_path)
    left = scenes_of(dataset, tmp_path, Request(allow_missing=True))

    assert list(caught.value.lacking) == [victim]
    assert belonging(left) == {name: told for name, told in asked_for(written).items() if name != victim}


@pytest.mark.parametrize("dataset", ALL)
@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_it_shows_the_expected_tree(tmp_path: Path, dataset: str, exists: bool) -> None:
    root = tmp_path / "nothing"
    if exists:
        root.mkdir()
        write_picture(root / "holiday.png", image(np.zeros((8, 8), np.uint8)))

    with pytest.raises(MissingRawData, match=r"(?s)nothing.*[Ee]xpected .*:\n  \w+") as caught:
        scenes_of(dataset, root, Request(allow_missing=True))

    assert datasets.find(dataset).tree in str(caught.value)  # type: ignore[attr-defined]


def test_no_complete_scene_at_all_shows_the_tree_too(tmp_path: Path) -> None:
    write_picture(tmp_path / "Train/Rural/images_png/0.png", image(np.zeros((8, 8), np.uint8)))

    with pytest.raises(MissingRawData, match=r"rural_0 \(mask\)\. No scene is complete\. Expected there:\n  Train/"):
        scenes_of("loveda", tmp_path, Request(allow_missing=True))


def test_a_mask_without_its_image_is_missed(tmp_path: Path) -> None:
    WRITERS["isaid"](tmp_path)
    (tmp_path / "val/images/P0003.png").unlink()

    with pytest.raises(MissingRawData, match=r"p0003 \(image\)"):
        scenes_of("isaid", tmp_path)


def test_an_unpacked_file_counts_before_one_in_an_archive(tmp_path: Path) -> None:
    written = WRITERS["whdld"](tmp_path)
    with zipfile.ZipFile(tmp_path / "A.zip", "w") as archive:
        archive.write(tmp_path / "WHDLD/ImagesPNG/wh0099.png", "WHDLD/ImagesPNG/wh0001.png")

    check_pixels("whdld", scenes_of("whdld", tmp_path)["wh0001"], written["wh0001"])


def test_damaged_images_and_those_without_labels_are_left_out(tmp_path: Path) -> None:
    WRITERS["isaid"](tmp_path)

    assert {"p1527", "p1530", "p0006"}.isdisjoint(scenes_of("isaid", tmp_path))


def test_colours_of_no_class_are_ignored_and_counted(tmp_path: Path) -> None:
    WRITERS["uavid"](tmp_path / "raw")
    mask = tmp_path / "raw/uavid_val/seq16/Labels/000000.png"
    pixels = np.zeros((3, 66, 110), np.uint8)
    pixels[:, :3, :5] = 99
    write_picture(mask, pixels)

    manifest = prepared(tmp_path / "raw", tmp_path / "tiles", dataset="uavid")

    (scene,) = (scene for scene in manifest.scenes if scene.split == "test")
    assert (scene.residual, scene.ignored, scene.counts[0]) == (15, 15, 66 * 110 - 15)


def test_loveda_as_mmsegmentation_writes_it(tmp_path: Path) -> None:
    for folder, number in (("train", 3), ("val", 2600)):
        raw = values("loveda", 40, 40, number)
        write_picture(tmp_path / "img_dir" / folder / f"{number}.png", image(raw))
        write_picture(tmp_path / "ann_dir" / folder / f"{number}.png", raw[None])

    scenes = scenes_of("loveda", tmp_path)

    assert belonging(scenes) == {"mixed_3": ("train", "mixed/0"), "mixed_2600": ("test", "mixed/26")}
    check_pixels("loveda", scenes["mixed_2600"], Truth("test", "", raw))


def test_deepglobe_copies_with_a_split_keep_it(tmp_path: Path) -> None:
    for folder in ("training_data", "test_data"):
        for number in (1, 119):  # by their names, one would be for training and one for testing
            raw = values("deepglobe", 40, 40, number)
            shown = number + (1000 if folder == "test_data" else 0)
            write_picture(tmp_path / "data" / folder / "images" / f"{shown}_sat.jpg", image(raw))
            write_picture(tmp_path / "data" / folder / "masks" / f"{shown}_mask.png", image(raw))

    scenes = scenes_of("deepglobe", tmp_path)

    assert {name: scene.split for name, scene in scenes.items()} == {
        "1": "train", "119": "train", "1001": "test", "1119": "test",
    }  # fmt: skip


def test_a_fifth_of_many_names_is_held_out() -> None:
    share = np.mean([is_held_out(f"scene_{number}") for number in range(2000)])

    assert share == pytest.approx(0.2, abs=0.03)
    assert is_held_out("119")
    assert not is_held_out("606")
    assert is_held_out("606", share=1.0)


def test_images_that_a_list_names_are_missed(tmp_path: Path) -> None:
    written = WRITERS["openearthmap"](tmp_path)
    with (tmp_path / "train.txt").open("a") as lines:
        lines.write("\nmoore-tornado_77.tif\n")

    with pytest.raises(MissingRawData, match=r"moore-tornado_77 \(image, mask\)\. Download them, or add --allow-miss"):
        scenes_of("openearthmap", tmp_path)
    assert belonging(scenes_of("openearthmap", tmp_path, Request(allow_missing=True))) == asked_for(written)


@pytest.mark.parametrize(
    ("content", "said"), [(None, r"holds no val\.txt"), (b"\xff\xfe\x00", "cannot be read as text")]
)
def test_lists_that_are_missing_or_damaged_are_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    WRITERS["openearthmap"](tmp_path)
    path = tmp_path / "val.txt"
    path.unlink() if content is None else path.write_bytes(content)

    with pytest.raises(MissingRawData, match=said):
        scenes_of("openearthmap", tmp_path)


@pytest.mark.parametrize(
    ("dataset", "kind", "bands", "dtype"),
    [
        ("five_billion_pixels", "bgrnir", ("blue", "green", "red", "nir"), np.uint16),
        ("five_billion_pixels", "nirrgb", ("nir", "red", "green", "blue"), np.uint8),
        ("gid5", "nirrgb", ("nir", "red", "green", "blue"), np.uint8),
        ("gid5", "rgb", ("red", "green", "blue"), np.uint8),
    ],
)
def test_kinds_of_images_have_their_bands(
    tmp_path: Path, dataset: str, kind: str, bands: tuple[str, ...], dtype: type
) -> None:
    WRITERS[dataset](tmp_path)

    scene = next(iter(scenes_of(dataset, tmp_path, Request({"channels": kind})).values()))
    pixels, _, _ = whole(scene)

    factor = 4 if dtype is np.uint16 else 1
    assert scene.bands == bands
    assert pixels.dtype == dtype
    assert pixels[:, 0, 0].tolist() == [factor * value for value in BANDS[: len(bands)]]


def test_gid5_masks_may_be_numbers(tmp_path: Path) -> None:
    written = WRITERS["gid5"](tmp_path)
    name, truth = max(written.items())
    write(
        next((tmp_path / "label_5classes").glob(f"{name[:4].upper()}*{name[-11:].upper()}*")),
        truth.raw[None],
        HERE,
        None,
    )

    check_pixels("gid5", scenes_of("gid5", tmp_path)[name], truth)


def test_two_files_of_one_image_must_fit(tmp_path: Path) -> None:
    WRITERS["agriculture_vision"](tmp_path)
    write_picture(tmp_path / "val/images/nir/QRS_0-0-512-512.jpg", np.zeros((1, 64, 72), np.uint8))

    with pytest.raises(InvalidRaster, match=r"nir.* 72 x 64 .*rgb.*, a part of the same image, 64 x 72"):
        whole(scenes_of("agriculture_vision", tmp_path)["qrs_0-0-512-512"])


def test_a_crop_without_the_mask_of_one_pattern_is_missed(tmp_path: Path) -> None:
    WRITERS["agriculture_vision"](tmp_path)
    (tmp_path / "val/labels/waterway/QRS_0-0-512-512.png").unlink()

    with pytest.raises(MissingRawData, match=r"qrs_0-0-512-512 \(waterway\)"):
        scenes_of("agriculture_vision", tmp_path)


def test_transparent_pixels_of_a_boundary_lie_outside(tmp_path: Path) -> None:
    written = WRITERS["agriculture_vision"](tmp_path)
    path = tmp_path / "val/boundaries/QRS_0-0-512-512.png"
    opaque = np.full((72, 64), 255, np.uint8)
    opaque[40:] = 0
    write_picture(path, np.stack([raster.read(path)[0], opaque]))

    _, _, labels = whole(scenes_of("agriculture_vision", tmp_path)["qrs_0-0-512-512"])

    assert (labels[40:] == IGNORE).all()
    truth = expected("agriculture_vision", written["qrs_0-0-512-512"])
    np.testing.assert_array_equal(labels[:40], truth[:40])


def test_padding_of_isaid_is_ignored(tmp_path: Path) -> None:
    WRITERS["isaid"](tmp_path / "raw")
    raw = np.full((1, 73, 85), 255, np.uint8)
    raw[0, 0] = 14
    write_picture(tmp_path / "raw/train/Semantic_masks/images/P0007_instance_color_RGB.png", raw)

    manifest = prepared(tmp_path / "raw", tmp_path / "tiles", dataset="isaid")

    (scene,) = (scene for scene in manifest.scenes if scene.id == "p0007")
    assert (scene.counts[14], scene.ignored, scene.residual) == (85, 72 * 85, 0)


def test_published_splits_are_whole() -> None:
    assert (len(flair.TEST), len(flair.VAL), len(flair.SPLITS)) == (10, 8, 18)
    assert (sorted(uavid.TRAIN), sorted(uavid.VAL)) == (
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 31, 32, 33, 34, 35],
        [16, 17, 18, 19, 20, 36, 37],
    )


def test_only_oblique_pictures_are_not_turned() -> None:
    turned = {adapter.name: adapter.views for adapter in BUILT_IN if adapter.views != Views() and not adapter.whole}

    assert turned == {"uavid": Views(symmetries="mirror")}


@pytest.mark.parametrize("dataset", ALL)
def test_a_coordinate_system_that_does_not_exist_is_refused(tmp_path: Path, dataset: str) -> None:
    WRITERS[dataset](tmp_path)

    with pytest.raises(InvalidOptions, match="EPSG:999999"):
        scenes_of(dataset, tmp_path, Request(crs="EPSG:999999"))


def test_the_list_of_datasets_says_licence_and_citation() -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(listing.sheets(listing.datasets()))
    text = console.file.getvalue()  # type: ignore[attr-defined]

    assert "Etalab Open Licence 2.0" in text
    assert "Lyu et al., UAVid" in text
