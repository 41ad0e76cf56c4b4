"""LoveDA: 5987 images of 1024 x 1024 pixels at 0.3 m, of towns (urban) and countryside (rural) in China.

Wang et al., NeurIPS Datasets and Benchmarks 2021, arXiv:2110.08733. CC BY-NC-SA 4.0, for academic purposes only. The
masks of the official test split are not published: its `Val` is used for testing, as published scores without the
evaluation server do. `background` is a class that was labelled, and serves as background; 0 is no data.
"""

from saticl.datasets.pairs import IMAGE, MASK, RASTER, PairedDataset, Slot, Values, table
from saticl.geo.palette import IndexPalette
from saticl.labels import Split
from saticl.protocols.loveda import BACKGROUND, LOVEDA

SPLITS: dict[str, Split] = {"train": "train", "val": "test"}

TREE = """\
  Train/Urban/images_png/1366.png      (and Train/Rural, Val/Urban, Val/Rural; zipped or not)
  Train/Urban/masks_png/1366.png
or, from mmsegmentation, img_dir/train/1366.png and ann_dir/train/1366.png"""

NEIGHBOURS = 100
"""Images with consecutive numbers are pieces of the same places: so many are one group, a part of their domain."""

PLACE = r"(?P<split>train|val)/(?:.*/)?(?P<domain>urban|rural)/(?:.*/)?"
NUMBER = r"0*(?P<number>\d+)" + RASTER
PATTERNS = {
    IMAGE: (PLACE + "images_png/" + NUMBER, "img_dir/(?P<split>train|val)/" + NUMBER),
    MASK: (PLACE + "masks_png/" + NUMBER, "ann_dir/(?P<split>train|val)/" + NUMBER),
}


class LoveDA(PairedDataset):
    """The adapter; ids are those of the files, with their domain."""

    name = "loveda"
    summary = "LoveDA: 4191 labelled images of 1024 x 1024 at 0.3 m, RGB, urban and rural"
    licence = "CC BY-NC-SA 4.0, academic use only"
    citation = "Wang et al., LoveDA, NeurIPS Datasets and Benchmarks 2021"
    classes = table(
        (BACKGROUND, (255, 255, 255)),
        ("building", (255, 0, 0)),
        ("road", (255, 255, 0)),
        ("water", (0, 0, 255)),
        ("barren", (159, 129, 183)),
        ("forest", (0, 255, 0)),
        ("agriculture", (255, 195, 128)),
    )
    background = BACKGROUND
    protocols = LOVEDA
    tree = TREE
    patterns = PATTERNS
    palette = IndexPalette(tuple(range(1, 8)), ignored=(0,))

    def slot(self, values: Values) -> Slot:
        """See PairedDataset."""
        place, number = values.get("domain") or "mixed", str(values["number"])
        return Slot(f"{place}_{number}", f"{place}/{int(number) // NEIGHBOURS}", SPLITS[str(values["split"])])
