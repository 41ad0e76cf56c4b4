"""FLAIR #1 and #2: aerial patches of 512 x 512 pixels at 0.2 m from all over France, with heights.

Garioud et al., FLAIR #1, arXiv:2211.12979, and FLAIR #2, NeurIPS Datasets and Benchmarks 2023, arXiv:2310.13336; IGN.
Etalab Open Licence 2.0. Domains (a department in a year) are split as published: ten for testing, eight for
validation. Patches in a folder of the test archives are for testing, whatever their domain. All 19 classes are kept;
published scores leave some of them out. The fifth band holds heights in 8 bits. The satellite series of FLAIR #2 are
not read, and neither is FLAIR-HUB, whose classes have other numbers.
"""

from saticl.datasets.pairs import BELOW, IMAGE, MASK, RGB, PairedDataset, Slot, Values, table
from saticl.geo.palette import IndexPalette
from saticl.labels import Split

TEST = (
    *("d012_2019", "d022_2021", "d026_2020", "d064_2021", "d068_2021"),
    *("d071_2020", "d075_2021", "d076_2019", "d083_2020", "d085_2019"),
)
VAL = (
    *("d004_2021", "d014_2020", "d029_2021", "d031_2019"),
    *("d058_2020", "d066_2021", "d067_2021", "d070_2020"),
)
SPLITS: dict[str, Split] = {**dict.fromkeys(TEST, "test"), **dict.fromkeys(VAL, "val")}
"""By domain; all others are for training."""

TREE = """\
  flair_aerial_train/D004_2021/Z1_NN/img/IMG_000001.tif      (and flair_2_aerial_test, or train/ and test/)
  flair_labels_train/D004_2021/Z1_NN/msk/MSK_000001.tif      (and flair_2_labels_test)"""

DOMAIN = r"(?P<domain>d\d+_\d{4})/" + BELOW
NUMBER = r"_0*(?P<number>\d+)\.tiff?"
PLACES = (r"(?P<is_test>(?:[^/]*_)?test)/" + BELOW + DOMAIN, DOMAIN)
PATTERNS = {
    IMAGE: tuple(place + "img" + NUMBER for place in PLACES),
    MASK: tuple(place + "msk" + NUMBER for place in PLACES),
}


class Flair(PairedDataset):
    """The adapter; ids are domain and number of a patch, such as d004_2021_1."""

    name = "flair"
    summary = "FLAIR #1 and #2: 77412 patches of 512 x 512 at 0.2 m, RGB, near infrared and heights, 19 classes"
    licence = "Etalab Open Licence 2.0"
    citation = "Garioud et al., FLAIR, NeurIPS Datasets and Benchmarks 2023; IGN"
    classes = table(
        ("building", (0xDB, 0x0E, 0x9A)),
        ("pervious_surface", (0x93, 0x8E, 0x7B)),
        ("impervious_surface", (0xF8, 0x0C, 0x00)),
        ("bare_soil", (0xA9, 0x71, 0x01)),
        ("water", (0x15, 0x53, 0xAE)),
        ("coniferous", (0x19, 0x4A, 0x26)),
        ("deciduous", (0x46, 0xE4, 0x83)),
        ("brushwood", (0xF3, 0xA6, 0x0D)),
        ("vineyard", (0x66, 0x00, 0x82)),
        ("herbaceous", (0x55, 0xFF, 0x00)),
        ("agricultural", (0xFF, 0xF3, 0x0D)),
        ("plowed", (0xE4, 0xDF, 0x7C)),
        ("swimming_pool", (0x3D, 0xE6, 0xEB)),
        ("snow", (0xFF, 0xFF, 0xFF)),
        ("clear_cut", (0x8A, 0xB3, 0xA0)),
        ("mixed", (0x6B, 0x71, 0x4F)),
        ("ligneous", (0xC5, 0xDC, 0x42)),
        ("greenhouse", (0x99, 0x99, 0xFF)),
        ("other", (0x00, 0x00, 0x00)),
    )
    bands = (*RGB, "nir", "elevation")
    tree = TREE
    patterns = PATTERNS
    palette = IndexPalette(tuple(range(1, 20)))

    def slot(self, values: Values) -> Slot:
        """See PairedDataset."""
        domain = str(values["domain"])
        split = "test" if values.get("is_test") else SPLITS.get(domain, "train")
        return Slot(f"{domain}_{values['number']}", domain, split)
