from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from saticl.datasets import DATASETS, find
from saticl.datasets.base import Request
from saticl.datasets.folder import Folder
from saticl.datasets.reader import open_scene
from saticl.errors import InvalidOptions, InvalidRaster, MissingRawData, SaticlError, UnknownName
from saticl.geo.raster import write
from saticl.geo.windows import Window
from saticl.views import Views
from tests.raw import HERE, labels, picture, transform_of, whole, write_picture

REPO = Path(__file__).resolve().parents[3]
DATA = REPO.parent / "shared" / "data"
COLOURS = {"house": (60, 16, 152), "street": (110, 193, 228)}
DESCRIPTION: dict[str, Any] = {
    "images": "{group}/images/{name}.tif",
    "masks": "{group}/masks/{name}.png",
    "bands": ["red", "green", "blue"],
    "classes": {"house": "#3C1098", "street": [110, 193, 228]},
    "ignore": ["#000000"],
    "split": {"by": "group", "train": ["A"], "test": ["B"]},
}


def described(tmp_path: Path, **changes: Any) -> Folder:
    content = {key: value for key, value in {**DESCRIPTION, **changes}.items() if value is not None}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    adapter = find(str(path))
    assert isinstance(adapter, Folder)
    return adapter


def painted(mask: np.ndarray) -> np.ndarray:
    table = np.zeros((256, 3), np.uint8)
    table[:2] = list(COLOURS.values())
    return np.moveaxis(table[mask], -1, 0)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    for group in "AB":
        for name in ("one", "two"):
            write(root / group / "images" / f"{name}.tif", picture(40, 50), transform_of(2, 10), None)
            write_picture(root / group / "masks" / f"{name}.png", painted(labels(40, 50, classes=2)))
    return root


def test_scenes_carry_group_split_and_pixels(tmp_path: Path, raw: Path) -> None:
    scenes = described(tmp_path).scenes(raw, Request())

    assert [(scene.id, scene.group, scene.split) for scene in scenes] == [
        ("A-one", "A", "train"),
        ("A-two", "A", "train"),
        ("B-one", "B", "test"),
        ("B-two", "B", "test"),
    ]
    image, _, mask = whole(scenes[0])
    np.testing.assert_array_equal(image, picture(40, 50))
    np.testing.assert_array_equal(mask, labels(40, 50, classes=2))


def test_scenes_may_be_named_in_any_alphabet(tmp_path: Path, raw: Path) -> None:
    for name, other in (("北京", "one"), ("東京", "two")):
        (raw / f"A/images/{other}.tif").rename(raw / f"A/images/{name}.tif")
        (raw / f"A/masks/{other}.png").rename(raw / f"A/masks/{name}.png")

    scenes = described(tmp_path, images="A/images/{name}.tif", masks="A/masks/{name}.png", split=None)

    assert {scene.id for scene in scenes.scenes(raw, Request())} == {"北京", "東京"}


def test_names_that_would_share_a_folder_of_tiles_are_refused(tmp_path: Path, raw: Path) -> None:
    (raw / "A/images/two.tif").rename(raw / "A/images/on  e.tif")
    (raw / "A/images/one.tif").rename(raw / "A/images/on e.tif")

    with pytest.raises(InvalidOptions, match="Two images have the name 'A-on_e': rename one"):
        described(tmp_path).scenes(raw, Request())


def test_palette_masks_go_through_their_own_palette(tmp_path: Path, raw: Path) -> None:
    mask = labels(40, 50, classes=2)
    write_picture(raw / "A/masks/one.png", mask[None], dict(enumerate(COLOURS.values())))
    write_picture(raw / "A/masks/two.png", 7 - mask[None], {7: COLOURS["house"], 6: COLOURS["street"]})

    first, second, *_ = described(tmp_path).scenes(raw, Request())

    np.testing.assert_array_equal(whole(first)[2], mask)
    np.testing.assert_array_equal(whole(second)[2], mask)


def test_masks_of_numbers_keep_them_even_with_a_palette(tmp_path: Path, raw: Path) -> None:
    mask = labels(40, 50, classes=3)
    adapter = described(tmp_path, classes={"house": 1, "street": 2}, ignore=[0])
    for path in raw.glob("*/masks/*.png"):
        write_picture(path, mask[None], {0: (9, 9, 9), 1: (8, 8, 8), 2: (7, 7, 7)})

    found = whole(adapter.scenes(raw, Request())[0])[2]

    np.testing.assert_array_equal(found, np.array([255, 0, 1], np.uint8)[mask])
    assert len({entry.colour for entry in adapter.classes}) == 2


def test_unknown_colours_are_an_error_with_count_and_example(tmp_path: Path, raw: Path) -> None:
    rgb = painted(labels(40, 50, classes=2))
    rgb[:, 30:32, 0] = np.array([255, 0, 255])[:, None]
    rgb[:, 3, 0] = 1, 2, 3
    write_picture(raw / "A/masks/one.png", rgb)

    with pytest.raises(InvalidRaster, match=r"one\.png has 3 pixels of 2 colours .* such as #FF00FF \(2 pixels\)"):
        whole(described(tmp_path).scenes(raw, Request())[0])


def test_image_and_mask_of_different_size_are_refused_with_both_sizes(tmp_path: Path, raw: Path) -> None:
    write_picture(raw / "A/masks/one.png", painted(labels(40, 48, classes=2)))

    with pytest.raises(InvalidRaster, match=r"one\.tif has 50 x 40 .*one\.png 48 x 40"):
        whole(described(tmp_path).scenes(raw, Request())[0])


def test_the_number_of_bands_is_checked(tmp_path: Path, raw: Path) -> None:
    with pytest.raises(InvalidRaster, match=r"one\.tif has 3 bands, but 2 are expected \(vv, vh\)"):
        whole(described(tmp_path, bands=["vv", "vh"]).scenes(raw, Request())[0])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_pixels_without_data_are_ignored(tmp_path: Path, raw: Path, dtype: str) -> None:
    pixels = (picture(40, 50) // 2 + 1).astype(dtype)
    pixels[:, :, :10] = 200
    pixels[0, 5, 20] = 200  # nodata in one band only is data
    write(raw / "A/images/one.tif", pixels, transform_of(2, 10), None, nodata=200)

    image, _, mask = whole(described(tmp_path).scenes(raw, Request())[0])

    assert image.dtype == dtype
    assert (mask[:, :10] == 255).all()
    assert (image[:, :, :10] == 0).all()
    np.testing.assert_array_equal(mask[:, 10:], labels(40, 50, classes=2)[:, 10:])


def test_not_a_number_is_no_data(tmp_path: Path, raw: Path) -> None:
    pixels = picture(40, 50).astype(np.float32)
    pixels[1, 7, 8] = np.nan
    write(raw / "A/images/one.tif", pixels, transform_of(2, 10), None)

    image, _, mask = whole(described(tmp_path).scenes(raw, Request())[0])

    assert np.isfinite(image).all()
    assert mask[7, 8] == 255
    assert (mask != 255).sum() == 40 * 50 - 1


def test_a_transparent_band_beyond_the_declared_ones_masks(tmp_path: Path, raw: Path) -> None:
    rgba = np.concatenate([picture(40, 50), np.full((1, 40, 50), 255, np.uint8)])
    rgba[3, :, :5] = 0
    (raw / "A/images/one.tif").unlink()
    write_picture(raw / "A/images/one.png", rgba)
    (raw / "A/images/one.png").rename(raw / "A/images/one.tif")

    image, _, mask = whole(described(tmp_path).scenes(raw, Request())[0])

    assert image.shape[0] == 3
    assert (mask[:, :5] == 255).all()
    assert (mask[:, 5:] != 255).all()


def test_a_surface_model_is_found_by_its_pattern(tmp_path: Path, raw: Path) -> None:
    for path in sorted(raw.glob("*/images/*.tif")):
        write(path.parents[1] / "dsm" / path.name, np.full((1, 40, 50), 3, np.float32), HERE, None)
    adapter = described(tmp_path, dsm="{group}/dsm/{name}.tif")

    dsm = whole(adapter.scenes(raw, Request({"dsm": True}))[0])[1]

    assert dsm is not None
    assert (dsm == 3).all()


def test_splits_may_be_lists_in_text_files(tmp_path: Path, raw: Path) -> None:
    (tmp_path / "train.txt").write_text("one.tif\n")
    (raw / "test.txt").write_text("two\n\n")

    scenes = described(tmp_path, split={"by": "name", "train": "train.txt", "test": "test.txt"}).scenes(raw, Request())

    assert {scene.id: scene.split for scene in scenes} == {
        "A-one": "train",
        "A-two": "test",
        "B-one": "train",
        "B-two": "test",
    }


def test_skipped_scenes_are_left_out(tmp_path: Path, raw: Path) -> None:
    scenes = described(tmp_path, split={"by": "group", "train": ["A"], "skip": ["B"]}).scenes(raw, Request())

    assert {scene.group for scene in scenes} == {"A"}


def test_without_a_split_all_scenes_are_for_training(tmp_path: Path, raw: Path) -> None:
    assert {scene.split for scene in described(tmp_path, split=None).scenes(raw, Request())} == {"train"}


def test_scenes_for_validation_may_be_named(tmp_path: Path, raw: Path) -> None:
    scenes = described(tmp_path, split={"by": "group", "train": ["A"], "val": ["B"]}).scenes(raw, Request())

    assert [(scene.group, scene.split) for scene in scenes] == [("A", "train")] * 2 + [("B", "val")] * 2


def test_a_description_says_how_images_may_be_varied(tmp_path: Path) -> None:
    views = {"symmetries": "mirror", "crop": "scale", "scale": [0.75, 1.5]}

    assert described(tmp_path).views == Views()
    assert described(tmp_path, views=views).views == Views(symmetries="mirror", crop="scale", scale=(0.75, 1.5))
    assert described(tmp_path, views={"crop": "scale"}).views.factors == (0.5, 2)


def colours_of(adapter: Folder) -> dict[str, tuple[int, int, int]]:
    return {entry.name: entry.colour for entry in adapter.classes}


def test_classes_of_numbers_get_colours_that_differ(tmp_path: Path) -> None:
    classes = {"house": 3, "street": 1, "pond": -2}

    plain = colours_of(described(tmp_path, classes=classes, ignore=[0]))
    given = colours_of(described(tmp_path, classes=classes, ignore=[0], colours={"street": "#FF0000"}))

    assert len(set(plain.values())) == 3
    assert plain["house"] == (255, 0, 0)
    assert given["street"] == (255, 0, 0)
    assert len(set(given.values())) == 3


def test_a_class_of_colours_may_look_different_in_maps(tmp_path: Path, raw: Path) -> None:
    adapter = described(tmp_path, colours={"house": [1, 2, 3]})

    assert colours_of(adapter) == {"house": (1, 2, 3), "street": (110, 193, 228)}
    np.testing.assert_array_equal(whole(adapter.scenes(raw, Request())[0])[2], labels(40, 50, classes=2))


def test_masks_with_a_sign_may_mark_pixels_without_a_class_by_minus_one(tmp_path: Path, raw: Path) -> None:
    mask = labels(40, 50, classes=3).astype(np.int16) - 1
    adapter = described(tmp_path, masks="{group}/masks/{name}.tif", classes={"house": 0, "street": 1}, ignore=[-1])
    for path in raw.glob("*/masks/*.png"):
        write(path.with_suffix(".tif"), mask[None], transform_of(2, 10), None)

    found = whole(adapter.scenes(raw, Request())[0])[2]

    np.testing.assert_array_equal(found, np.where(mask < 0, 255, mask))


@pytest.mark.parametrize(
    ("own", "background"),
    [
        ({"steps": [["street"]]}, "house"),
        ({"steps": [["street"]], "background": None}, None),
        ({"steps": [["street"], ["house"]]}, None),
    ],
)
def test_a_learning_order_that_names_no_background_has_that_of_the_dataset(
    tmp_path: Path, own: dict[str, object], background: str | None
) -> None:
    adapter = described(tmp_path, background="house", protocols={"1s": own})

    assert [(one.name, one.background) for one in adapter.protocols] == [("offline", "house"), ("1s", background)]


def test_missing_masks_are_refused_or_accepted(tmp_path: Path, raw: Path) -> None:
    (raw / "A/masks/two.png").unlink()
    adapter = described(tmp_path)

    with pytest.raises(MissingRawData, match=r"1 files .*A/masks/two\.png; add --allow-missing .* 3 complete"):
        adapter.scenes(raw, Request())
    assert len(adapter.scenes(raw, Request(allow_missing=True))) == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": "x"}, "'image' is not a valid key; valid keys are name, images, masks"),
        ({"images": None}, "'images' is missing"),
        ({"images": "images/all.tif"}, "needs placeholders"),
        ({"masks": "masks/{name.png"}, "braces without a name"),
        ({"masks": "masks/{nam}.png"}, r"masks uses \{nam\}, which images does not have \(group, name\)"),
        ({"classes": {}}, "classes"),
        ({"classes": {"house": "blue"}}, "'blue' is neither a colour"),
        (
            {"classes": {"house": "#3C1098", "hut": [60, 16, 152]}},
            "hut and house have the same colour or number #3C1098",
        ),
        ({"ignore": ["#3C1098"]}, "ignore and house have the same"),
        ({"classes": {"house": 1, "street": "#FF00FF"}}, "mix colours and numbers"),
        ({"bands": ["red", "red", "blue"]}, "every band needs a different name"),
        ({"split": {"by": "city"}}, "split.by is 'city', but must be one of group, name, scene"),
        ({"split": {"training": ["A"]}}, "valid keys are by, train, val, test, skip"),
        ({"protocols": {"2s": {"steps": [["house"], ["castle"]]}}}, "no class 'castle' in the task '2s'"),
        ({"protocols": {"2s": {"steps": [["house"], ["house"]]}}}, "house more than once"),
        ({"background": "sky"}, "no class 'sky'"),
        ({"classes": {"house": -40_000}}, "nor a number from -32768 to 65535"),
        ({"views": {"symetries": "none"}}, "valid keys are symmetries, crop, scale"),
        ({"views": {"symmetries": "round"}}, "views.symmetries: Input should be 'square', 'mirror' or 'none'"),
        ({"views": {"scale": [0.5, 2]}}, "scale needs `crop: scale`"),
        ({"views": {"crop": "scale", "scale": [2, 1]}}, r"scale is \[smallest, largest\], but 2 is larger than 1"),
        ({"views": {"crop": "scale", "scale": [0, 1]}}, "views.scale.0: Input should be greater than 0"),
        ({"name": "../up"}, r"name: '\.\./up' becomes the name of a folder"),
        ({"name": ".."}, r"name: '\.\.' becomes the name of a folder"),
        ({"name": ""}, "name: '' becomes the name of a folder"),
        ({"colours": {"castle": "#FF0000"}}, "colours names 'castle', but the classes are house, street"),
        ({"colours": {"house": 3}}, '3 is no colour: write "#RRGGBB" in quotes, or'),
        ({"colours": {"house": "red"}}, "colours.house: 'red' is neither a colour"),
        ({"colours": {"house": "#6EC1E4"}}, "house and street have the same colour #6EC1E4 in maps: give one of them"),
        ({"protocols": {"offline": {"steps": [["house"]]}}}, "protocols: the name 'offline' is taken: it always"),
        ({"protocols": {"a\\b": {"steps": [["house"]]}}}, "becomes the name of a folder"),
        ({"protocols": {"a/b": {"steps": [["house"]]}}}, "protocols: 'a/b' becomes the name of a folder"),
    ],
)
def test_a_mistake_in_the_description_is_one_clear_sentence(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(SaticlError, match=words) as caught:
        described(tmp_path, **changes)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": "{group}/pictures/{name}.tif"}, r"No file below .* matches .*, but for example A/images/one\.tif"),
        ({"split": {"by": "group", "train": ["A", "C"], "test": ["B"]}}, "split.train names 'C', but no image"),
        ({"split": {"by": "group", "train": ["A"], "test": ["A", "B"]}}, "'A', which split.train names already"),
        ({"split": {"by": "group", "train": ["A"]}}, "says nothing about B: list each group under"),
        ({"split": {"by": "group", "train": "gone.txt", "test": ["B"]}}, "there is no such file"),
        ({"split": {"by": "group", "train": "A/images/one.tif", "test": ["B"]}}, "one.tif cannot be read as text"),
        ({"masks": "/gone/{group}/{name}.png"}, "4 files .* are missing .*: /gone/A/one.png, .* no scene is complete"),
    ],
)
def test_a_description_that_does_not_fit_the_folder_is_refused(
    tmp_path: Path, raw: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(SaticlError, match=words):
        described(tmp_path, **changes).scenes(raw, Request())


@pytest.mark.parametrize(
    "request_",
    [Request({"channels": "rgb"}), Request({"labels": "eroded"}), Request({"dsm": True}), Request(crs="nowhere")],
)
def test_what_a_folder_does_not_offer_is_refused(tmp_path: Path, raw: Path, request_: Request) -> None:
    with pytest.raises(InvalidOptions):
        described(tmp_path).scenes(raw, request_)


def test_a_class_written_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "images: '{name}.tif'\nmasks: '{name}.png'\nbands: [a]\nclasses:\n  house: 1\n  house: 2\n"
    )

    with pytest.raises(InvalidOptions, match="'house' occurs twice"):
        find(str(tmp_path / "own.yaml"))


def test_an_absent_description_and_an_unknown_dataset_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match=r"gone\.yaml cannot be read"):
        find(str(tmp_path / "gone.yaml"))
    with pytest.raises(UnknownName, match="Did you mean 'potsdam'"):
        find("postdam")


def test_every_dataset_has_a_name_and_a_line() -> None:
    names = [adapter.name for adapter in DATASETS]
    assert (names[:2], names[-1]) == (["potsdam", "vaihingen"], "folder")
    assert len(set(names)) == len(names)
    assert all(adapter.summary for adapter in DATASETS)


@pytest.mark.skipif(not (DATA / "dubai").is_dir(), reason="the real images of Dubai are not on this machine")
def test_dubai_is_described() -> None:
    adapter = find(str(REPO / "configs" / "dubai.yaml"))

    scenes = adapter.scenes(DATA / "dubai", Request())
    shares = np.zeros(256)
    for scene in scenes[::9]:
        shares += np.bincount(whole(scene, 256, 32)[2].ravel(), minlength=256)

    assert len(scenes) == 54
    assert len({(scene.group, scene.split) for scene in scenes}) == len({scene.group for scene in scenes}) == 6
    assert {"train", "test"} <= {scene.split for scene in scenes}
    assert shares[5:255].sum() == 0
    assert (shares[:5] > 0).all()


@pytest.mark.skipif(not (DATA / "georeferenced").is_dir(), reason="the real rasters are not on this machine")
def test_near_infrared_tagged_as_transparency_is_data_where_four_bands_are_declared(tmp_path: Path) -> None:
    adapter = described(
        tmp_path,
        images="naip_{year}_4band_260.tif",
        masks="naip_lc_labels_260.tif",
        bands=["red", "green", "blue", "nir"],
        classes={"water": 1, "tree": 2, "low": 3, "barren": 4, "impervious": 5, "road": 6},
        ignore=[0, 15],
        split=None,
    )
    scene = adapter.scenes(DATA / "georeferenced", Request())[0]

    with open_scene(scene) as reader:
        pixels = reader.read(Window(0, 0, 260, 260))
        assert reader.crs.to_epsg() == 26917

    assert pixels.layers.image.shape == (4, 260, 260)
    assert pixels.invalid is None
