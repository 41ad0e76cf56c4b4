"""Small raw imagery in the official layouts of aerial datasets, with what is true of it.

The tables of raw values are written down from the descriptions of the datasets, and not from the package.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from saticl.geo.raster import parse_crs, write
from saticl.labels import Colour, Split
from tests.raw import HERE, write_picture

Bytes = NDArray[np.uint8]

BANDS = (40, 90, 140, 190, 240)
"""What every pixel of the first, second ... band holds: a JPEG keeps it, and a wrong order shows."""

NO_CLASS = ("ignored", "unlabelled")
"""Names of what is no class."""

RAW: dict[str, dict[int, tuple[str, str]]] = {
    "isaid": {
        0: ("background", "0,0,0"), 1: ("ship", "0,0,63"), 2: ("storage_tank", "0,63,63"),
        3: ("baseball_diamond", "0,63,0"), 4: ("tennis_court", "0,63,127"), 5: ("basketball_court", "0,63,191"),
        6: ("ground_track_field", "0,63,255"), 7: ("bridge", "0,127,63"), 8: ("large_vehicle", "0,127,127"),
        9: ("small_vehicle", "0,0,127"), 10: ("helicopter", "0,0,191"), 11: ("swimming_pool", "0,0,255"),
        12: ("roundabout", "0,191,127"), 13: ("soccer_field", "0,127,191"), 14: ("plane", "0,127,255"),
        15: ("harbor", "0,100,155"),
    },
    "loveda": {
        0: ("ignored", ""), 1: ("background", "255,255,255"), 2: ("building", "255,0,0"), 3: ("road", "255,255,0"),
        4: ("water", "0,0,255"), 5: ("barren", "159,129,183"), 6: ("forest", "0,255,0"),
        7: ("agriculture", "255,195,128"),
    },
    "deepglobe": {
        0: ("urban", "0,255,255"), 1: ("agriculture", "255,255,0"), 2: ("rangeland", "255,0,255"),
        3: ("forest", "0,255,0"), 4: ("water", "0,0,255"), 5: ("barren", "255,255,255"), 6: ("ignored", "0,0,0"),
    },
    "gid5": {
        0: ("unlabelled", "0,0,0"), 1: ("built_up", "255,0,0"), 2: ("farmland", "0,255,0"),
        3: ("forest", "0,255,255"), 4: ("meadow", "255,255,0"), 5: ("water", "0,0,255"),
    },
    "gid15": {
        0: ("unlabelled", ""), 1: ("industrial_land", "200,0,0"), 2: ("urban_residential", "250,0,150"),
        3: ("rural_residential", "200,150,150"), 4: ("traffic_land", "250,150,150"), 5: ("paddy_field", "0,200,0"),
        6: ("irrigated_land", "150,250,0"), 7: ("dry_cropland", "150,200,150"), 8: ("garden_plot", "200,0,200"),
        9: ("arbor_woodland", "150,0,250"), 10: ("shrub_land", "150,150,250"),
        11: ("natural_grassland", "250,200,0"), 12: ("artificial_grassland", "200,200,0"), 13: ("river", "0,0,200"),
        14: ("lake", "0,150,200"), 15: ("pond", "0,200,250"),
    },
    "five_billion_pixels": {
        0: ("unlabelled", ""), 1: ("industrial_area", "200,0,0"), 2: ("paddy_field", "0,200,0"),
        3: ("irrigated_field", "150,250,0"), 4: ("dry_cropland", "150,200,150"), 5: ("garden_land", "200,0,200"),
        6: ("arbor_forest", "150,0,250"), 7: ("shrub_forest", "150,150,250"), 8: ("park", "200,150,200"),
        9: ("natural_meadow", "250,200,0"), 10: ("artificial_meadow", "200,200,0"), 11: ("river", "0,0,200"),
        12: ("urban_residential", "250,0,150"), 13: ("lake", "0,150,200"), 14: ("pond", "0,200,250"),
        15: ("fish_pond", "150,200,250"), 16: ("snow", "250,250,250"), 17: ("bare_land", "200,200,200"),
        18: ("rural_residential", "200,150,150"), 19: ("stadium", "250,200,150"), 20: ("square", "150,150,0"),
        21: ("road", "250,150,150"), 22: ("overpass", "250,150,0"), 23: ("railway_station", "250,200,250"),
        24: ("airport", "200,150,0"),
    },
    "uavid": {
        0: ("clutter", "0,0,0"), 1: ("building", "128,0,0"), 2: ("road", "128,64,128"),
        3: ("static_car", "192,0,192"), 4: ("tree", "0,128,0"), 5: ("low_vegetation", "128,128,0"),
        6: ("human", "64,64,0"), 7: ("moving_car", "64,0,128"),
    },
    "openearthmap": {
        0: ("ignored", ""), 1: ("bareland", "128,0,0"), 2: ("rangeland", "0,255,36"),
        3: ("developed_space", "148,148,148"), 4: ("road", "255,255,255"), 5: ("tree", "34,97,38"),
        6: ("water", "0,69,255"), 7: ("agriculture", "75,181,73"), 8: ("building", "222,31,7"),
    },
    "dlrsd": {
        1: ("airplane", "166,202,240"), 2: ("bare_soil", "128,128,0"), 3: ("buildings", "0,0,128"),
        4: ("cars", "255,0,0"), 5: ("chaparral", "0,128,0"), 6: ("court", "128,0,0"), 7: ("dock", "255,233,233"),
        8: ("field", "160,160,164"), 9: ("grass", "0,128,128"), 10: ("mobile_home", "90,87,255"),
        11: ("pavement", "255,255,0"), 12: ("sand", "255,192,0"), 13: ("sea", "0,0,255"), 14: ("ship", "255,0,192"),
        15: ("tanks", "128,0,128"), 16: ("trees", "0,255,0"), 17: ("water", "0,255,255"),
    },
    "whdld": {
        1: ("building", "255,0,0"), 2: ("road", "255,255,0"), 3: ("pavement", "192,192,0"),
        4: ("vegetation", "0,255,0"), 5: ("bare_soil", "128,128,128"), 6: ("water", "0,0,255"),
    },
    "flair": {
        1: ("building", "219,14,154"), 2: ("pervious_surface", "147,142,123"),
        3: ("impervious_surface", "248,12,0"), 4: ("bare_soil", "169,113,1"), 5: ("water", "21,83,174"),
        6: ("coniferous", "25,74,38"), 7: ("deciduous", "70,228,131"), 8: ("brushwood", "243,166,13"),
        9: ("vineyard", "102,0,130"), 10: ("herbaceous", "85,255,0"), 11: ("agricultural", "255,243,13"),
        12: ("plowed", "228,223,124"), 13: ("swimming_pool", "61,230,235"), 14: ("snow", "255,255,255"),
        15: ("clear_cut", "138,179,160"), 16: ("mixed", "107,113,79"), 17: ("ligneous", "197,220,66"),
        18: ("greenhouse", "153,153,255"), 19: ("other", "0,0,0"),
    },
    "agriculture_vision": {
        0: ("background", ""), 1: ("cloud_shadow", ""), 2: ("double_plant", ""), 3: ("planter_skip", ""),
        4: ("standing_water", ""), 5: ("waterway", ""), 6: ("weed_cluster", ""), 255: ("ignored", ""),
    },
    "agriculture_vision_2021": {
        0: ("background", ""), 1: ("double_plant", ""), 2: ("drydown", ""), 3: ("endrow", ""),
        4: ("nutrient_deficiency", ""), 5: ("planter_skip", ""), 6: ("water", ""), 7: ("waterway", ""),
        8: ("weed_cluster", ""), 255: ("ignored", ""),
    },
}  # fmt: skip
"""By dataset and raw value: the class, and its official colour where there is one."""


@dataclass(frozen=True)
class Truth:
    """What is true of a scene that was written."""

    split: Split
    group: str
    raw: Bytes
    """[H, W] raw values, as in RAW."""
    bands: tuple[int, ...] = BANDS[:3]
    """What the pixels of each band hold."""


Written = dict[str, Truth]
"""The labelled scenes that were written, by id."""

Writer = Callable[[Path], Written]
"""Writes some scenes in the official layout, also what an adapter has to leave out."""


def colour_of(dataset: str, value: int) -> Colour:
    red, green, blue = (int(part) for part in RAW[dataset][value][1].split(","))
    return red, green, blue


def values(dataset: str, height: int, width: int, seed: int) -> Bytes:
    """[H, W]: patches of 8 pixels of all raw values of a dataset, as far as there is room."""
    generator = np.random.default_rng(seed)
    rows, cols = -(-height // 8), -(-width // 8)
    every = np.array(sorted(RAW[dataset]), np.uint8)
    patches = generator.permutation(np.resize(every, rows * cols)).reshape(rows, cols)
    return np.kron(patches, np.ones((8, 8), np.uint8))[:height, :width]


def colours(dataset: str, raw: Bytes) -> Bytes:
    """[3, H, W]: raw values as their colours."""
    result = np.zeros((3, *raw.shape), np.uint8)
    for value in RAW[dataset]:
        result[:, raw == value] = np.array(colour_of(dataset, value), np.uint8)[:, None]
    return result


def image(raw: Bytes, bands: tuple[int, ...] = BANDS[:3]) -> Bytes:
    """[C, H, W]: the same everywhere, in every band another value."""
    return np.stack([np.full(raw.shape, value, np.uint8) for value in bands])


def table_of(dataset: str) -> dict[int, Colour]:
    """The table of colours inside a PNG of numbers."""
    return {value: colour_of(dataset, value) for value in RAW[dataset]}


def is_in_first_fifth(name: str) -> bool:
    """Whether the SHA-256 of a name, as a number from 0 to 1, is below a fifth."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) / 16**16 < 0.2


def write_isaid(root: Path) -> Written:
    """Masks of colours, of indexed colours and of numbers under the same name; damaged and unlabelled images."""
    written: Written = {}
    scenes: tuple[tuple[str, str, Split], ...] = (
        ("train", "P0000", "train"),
        ("train", "P0007", "train"),
        ("train", "P0011", "train"),
        ("val", "P0003", "test"),
    )
    for seed, (folder, name, split) in enumerate(scenes):
        raw = values("isaid", 70 + 3 * seed, 90 - 5 * seed, seed)
        mask = root / folder / "Semantic_masks/images" / f"{name}_instance_color_RGB.png"
        write_picture(root / folder / "images" / f"{name}.png", image(raw))
        match seed:
            case 0 | 3:
                write_picture(mask, colours("isaid", raw))
            case 1:
                write_picture(mask, raw[None])
            case _:  # a tool that saves space has numbered the colours in an order of its own
                write_picture(
                    mask, 15 - raw[None], {15 - value: colour for value, colour in table_of("isaid").items()}
                )
        write_picture(root / folder / "Instance_masks/images" / f"{name}_instance_id_RGB.png", image(raw))
        written[name.lower()] = Truth(split, name.lower(), raw)
    for name in ("P1527", "P1530"):
        write_picture(root / "train/images" / f"{name}.png", image(raw))
        write_picture(root / f"train/Semantic_masks/images/{name}_instance_color_RGB.png", image(raw))
    write_picture(root / "test/images/P0006.png", image(raw))
    return written


def write_loveda(root: Path) -> Written:
    written: Written = {}
    scenes: tuple[tuple[str, str, int, Split], ...] = (
        ("Train", "Rural", 7, "train"),
        ("Train", "Urban", 1366, "train"),
        ("Train", "Urban", 1401, "train"),
        ("Val", "Urban", 3514, "test"),
    )
    for folder, domain, number, split in scenes:
        raw = values("loveda", 64, 72, number)
        write_picture(root / folder / domain / "images_png" / f"{number}.png", image(raw))
        write_picture(root / folder / domain / "masks_png" / f"{number}.png", raw[None])
        place = domain.lower()
        written[f"{place}_{number}"] = Truth(split, f"{place}/{number // 100}", raw)
    write_picture(root / "Test/Urban/images_png/4191.png", image(raw))
    return written


def write_deepglobe(root: Path) -> Written:
    """Masks whose channels are not 0 or 255 exactly; images of the official splits without labels."""
    written: Written = {}
    for number in (119, 606, 855, 999, 2334):
        raw = values("deepglobe", 80, 72, number)
        noise = np.random.default_rng(number).integers(0, 100, (3, *raw.shape))
        pure = colours("deepglobe", raw).astype(int)
        write_picture(root / "train" / f"{number}_sat.jpg", image(raw))
        write_picture(root / "train" / f"{number}_mask.png", np.abs(pure - noise).astype(np.uint8))
        name = str(number)
        written[name] = Truth("test" if is_in_first_fifth(name) else "train", name, raw)
    for folder in ("valid", "test"):
        write_picture(root / folder / "1001_sat.jpg", image(raw))
    return written


def write_flair(root: Path) -> Written:
    """Five bands, in Lambert-93; a domain of the published test split, one for validation, one in a test archive."""
    written: Written = {}
    scenes: tuple[tuple[str, str, str, int, Split], ...] = (
        ("flair_aerial_train", "flair_labels_train", "D001_2019", 4, "train"),
        ("flair_aerial_train", "flair_labels_train", "D001_2019", 5, "train"),
        ("flair_aerial_train", "flair_labels_train", "D006_2020", 800, "train"),
        ("flair_aerial_train", "flair_labels_train", "D004_2021", 1200, "val"),
        ("flair_aerial_train", "flair_labels_train", "D012_2019", 62871, "test"),
        ("flair_2_aerial_test", "flair_2_labels_test", "D061_2020", 71000, "test"),
    )
    for place, (images, masks, domain, number, split) in enumerate(scenes):
        raw = values("flair", 64, 64, number)
        transform, crs = Affine(0.2, 0, 700_000 + 20 * place, 0, -0.2, 6_600_000), parse_crs("EPSG:2154")
        folder = f"{domain}/Z{place}_NN"
        write(root / images / folder / f"img/IMG_{number:06d}.tif", image(raw, BANDS), transform, crs)
        write(root / masks / folder / f"msk/MSK_{number:06d}.tif", raw[None], transform, crs)
        written[f"{domain.lower()}_{number}"] = Truth(split, domain.lower(), raw, BANDS)
    return written


def write_openearthmap(root: Path) -> Written:
    """Lists say what is for what; an image of the test list has no labels."""
    written: Written = {}
    scenes: tuple[tuple[str, int, str, Split], ...] = (
        ("aachen", 1, "train", "train"),
        ("aachen", 2, "val", "test"),
        ("new_york-city", 12, "train", "train"),
    )
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": ["aachen_3.tif"]}
    for region, number, listed, split in scenes:
        raw = values("openearthmap", 66, 90, number)
        name = f"{region}_{number}"
        write(root / region / "images" / f"{name}.tif", image(raw), HERE, None)
        write(root / region / "labels" / f"{name}.tif", raw[None], HERE, None)
        lists[listed].append(f"{name}.tif")
        written[name] = Truth(split, region, raw)
    write(root / "aachen/images/aachen_3.tif", image(raw), HERE, None)
    for listed, names in lists.items():
        (root / f"{listed}.txt").write_text("".join(f"{name}\n" for name in names))
    return written


def write_uavid(root: Path) -> Written:
    """Sequences of all three official splits; those of the last have no labels."""
    written: Written = {}
    scenes: tuple[tuple[str, int, int, Split], ...] = (
        ("uavid_train", 1, 0, "train"),
        ("uavid_train", 1, 100, "train"),
        ("uavid_train", 35, 0, "train"),
        ("uavid_val", 16, 0, "test"),
    )
    for folder, sequence, picture, split in scenes:
        raw = values("uavid", 66, 110, sequence + picture)
        where = root / folder / f"seq{sequence}"
        write_picture(where / "Images" / f"{picture:06d}.png", image(raw))
        write_picture(where / "Labels" / f"{picture:06d}.png", colours("uavid", raw))
        written[f"seq{sequence}_{picture:06d}"] = Truth(split, f"seq{sequence}", raw)
    write_picture(root / "uavid_test/seq21/Images/000000.png", image(raw))
    return written


SCENES_2020 = ("cloud_shadow", "weed_cluster", "double_plant", "standing_water", "waterway", "planter_skip")
SCENES_2021 = (
    "nutrient_deficiency",
    "drydown",
    "weed_cluster",
    "endrow",
    "double_plant",
    "water",
    "waterway",
    "planter_skip",
)


def write_agriculture_vision(root: Path) -> Written:
    return _fields(root, "agriculture_vision", SCENES_2020)


def write_agriculture_vision_2021(root: Path) -> Written:
    return _fields(root, "agriculture_vision_2021", SCENES_2021, ("storm_damage",))


def _fields(root: Path, dataset: str, patterns: tuple[str, ...], ignored: tuple[str, ...] = ()) -> Written:
    """Crops in which every pattern covers a part of the one before it, the last on top."""
    numbers = {name: value for value, (name, _) in RAW[dataset].items()}
    crops: tuple[tuple[str, str, Split], ...] = (
        ("train", "ABC12_0-0-512-512", "train"),
        ("train", "ABC12_0-300-512-812", "train"),
        ("train", "XY_Z_10-20-522-532", "train"),
        ("val", "QRS_0-0-512-512", "test"),
    )
    written: Written = {}
    for folder, name, split in crops:
        raw = np.zeros((72, 64), np.uint8)
        drawn: dict[str, Bytes] = {}
        for place, pattern in enumerate((*ignored, *patterns)):
            part = np.zeros(raw.shape, np.uint8)
            part[4 * place : 4 * place + 8, 10:50] = 255
            raw[part > 0] = numbers.get(pattern, 255)
            drawn[f"labels/{pattern}"] = part
        drawn["boundaries"] = np.full(raw.shape, 255, np.uint8)
        drawn["boundaries"][:, :15] = 0
        drawn["masks"] = np.full(raw.shape, 255, np.uint8)
        drawn["masks"][:, 60:] = 0
        raw[:, :15], raw[:, 60:] = 255, 255
        write_picture(root / folder / "images/rgb" / f"{name}.jpg", image(raw))
        write_picture(root / folder / "images/nir" / f"{name}.jpg", image(raw, BANDS[3:4]))
        for kind, part in drawn.items():
            write_picture(root / folder / kind / f"{name}.png", part[None])
        written[name.lower()] = Truth(split, name.lower().rpartition("_")[0], raw, BANDS[:4])
    write_picture(root / "test/images/rgb/ABC13_0-0-512-512.jpg", image(raw))
    write_picture(root / "test/images/nir/ABC13_0-0-512-512.jpg", image(raw, BANDS[3:4]))
    return written


def write_five_billion_pixels(root: Path) -> Written:
    written: Written = {}
    for name in _gaofen():
        raw = values("five_billion_pixels", 72, 68, len(written))
        write(root / "Image__8bit_NirRGB" / f"{name}.tif", image(raw, BANDS[:4]), HERE, None)
        write(root / "Image_16bit_BGRNir" / f"{name}.tiff", image(raw, BANDS[:4]).astype(np.uint16) * 4, HERE, None)
        write_picture(root / "Annotation__index" / f"{name}_24label.png", raw[None])
        write(root / "Annotation__color" / f"{name}_24label.tif", image(raw), HERE, None)
        written[name.lower()] = Truth(_held_out(name.lower()), name.lower(), raw, BANDS[:4])
    return written


def write_gid5(root: Path) -> Written:
    written: Written = {}
    for name in _gaofen():
        raw = values("gid5", 72, 68, len(written))
        write(root / "image_RGB" / f"{name}.tif", image(raw), HERE, None)
        write(root / "image_NirRGB" / f"{name}.tif", image(raw, BANDS[:4]), HERE, None)
        write(root / "label_5classes" / f"{name}_label.tif", colours("gid5", raw), HERE, None)
        written[name.lower()] = Truth(_held_out(name.lower()), name.lower(), raw)
    return written


def write_gid15(root: Path) -> Written:
    written: Written = {}
    splits: dict[str, Split] = {"train": "train", "val": "test"}
    for folder, name in zip(("train", "train", "val"), _gaofen(), strict=False):
        raw = values("gid15", 72, 68, len(written))
        write(root / "GID/img_dir" / folder / f"{name}.tif", image(raw), HERE, None)
        write_picture(root / "GID/ann_dir" / folder / f"{name}_15label.png", raw[None])
        written[name.lower()] = Truth(splits[folder], name.lower(), raw)
    write(root / "GID/img_dir/test/GF2_PMS2__L1A0001.tif", image(raw), HERE, None)
    return written


def write_whdld(root: Path) -> Written:
    written: Written = {}
    for number in (1, 99, 250, 401, 499, 950):
        raw = values("whdld", 64, 64, number)
        write_picture(root / "WHDLD/Images" / f"wh{number:04d}.jpg", image(raw))
        write_picture(root / "WHDLD/ImagesPNG" / f"wh{number:04d}.png", raw[None], table_of("whdld"))
        split: Split = "test" if number in range(400, 500) or number in range(900, 1000) else "train"
        written[f"wh{number:04d}"] = Truth(split, f"hundred_{number // 100}", raw)
    return written


def write_dlrsd(root: Path) -> Written:
    """Images that are not quite square."""
    written: Written = {}
    for place, number in (
        ("airplane", 0),
        ("airplane", 9),
        ("tenniscourt", 10),
        ("tenniscourt", 79),
        ("airplane", 80),
    ):
        raw = values("dlrsd", 65, 63, number)
        write(root / f"Images/{place}/{place}{number:02d}.tif", image(raw), HERE, None)
        write_picture(root / f"Labels/{place}/{place}{number:02d}.png", raw[None], table_of("dlrsd"))
        split: Split = "test" if number >= 80 else "train"
        written[f"{place}{number:02d}"] = Truth(split, f"{place}_{number // 10}", raw)
    return written


def _gaofen() -> Iterable[str]:
    """Names of scenes: most are for training, the last is for testing by its SHA-256."""
    names = [f"GF2_PMS1__L1A0000{number}-MSS1" for number in range(564539, 564700)]
    later = [name for name in names if is_in_first_fifth(name.lower())]
    return [*[name for name in names if name not in later][:3], later[0]]


def _held_out(name: str) -> Split:
    return "test" if is_in_first_fifth(name) else "train"


WRITERS: Mapping[str, Writer] = {
    "loveda": write_loveda,
    "isaid": write_isaid,
    "deepglobe": write_deepglobe,
    "flair": write_flair,
    "openearthmap": write_openearthmap,
    "uavid": write_uavid,
    "agriculture_vision": write_agriculture_vision,
    "agriculture_vision_2021": write_agriculture_vision_2021,
    "five_billion_pixels": write_five_billion_pixels,
    "gid15": write_gid15,
    "gid5": write_gid5,
    "whdld": write_whdld,
    "dlrsd": write_dlrsd,
}
"""By dataset."""
