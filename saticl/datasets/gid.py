"""GID-5 and GID-15: Gaofen-2 scenes of 6800 x 7200 pixels at 4 m, with 5 or 15 classes.

Tong et al., Remote Sensing of Environment 237, 2020, arXiv:1807.05713. For academic purposes only. The 150 scenes of
GID-5 have no published split: a fifth is for testing, chosen by the SHA-256 of their names. GID-15 is read as torchgeo
lays it out: its `val` is used for testing, as the masks of its `test` are not there. See gaofen.py for what is
unlabelled.
"""

from saticl.datasets.gaofen import NIRRGB, SCENE, GaofenDataset, channels
from saticl.datasets.pairs import BELOW, IMAGE, MASK, RASTER, RGB, PairedDataset, Slot, Values, colours_of, table
from saticl.geo.palette import EitherPalette, ExactPalette, IndexPalette
from saticl.labels import Split

LICENCE = "academic use only"
CITATION = "Tong et al., Remote Sensing of Environment 237, 2020"

TREE_5 = """\
  image_RGB/GF2_PMS1__L1A0000564539-MSS1.tif      (--channels rgb)
  image_NirRGB/GF2_PMS1__L1A0000564539-MSS1.tif      (--channels nirrgb)
  label_5classes/GF2_PMS1__L1A0000564539-MSS1_label.tif"""

KINDS_5 = {
    "rgb": ("image_rgb/" + BELOW + SCENE + RASTER, RGB),
    "nirrgb": ("image_nirrgb/" + BELOW + SCENE + RASTER, NIRRGB),
}
PATTERNS_5 = {IMAGE: (KINDS_5["rgb"][0],), MASK: ("label_5classes/" + BELOW + SCENE + "_label" + RASTER,)}

CLASSES_5 = table(
    ("built_up", (255, 0, 0)),
    ("farmland", (0, 255, 0)),
    ("forest", (0, 255, 255)),
    ("meadow", (255, 255, 0)),
    ("water", (0, 0, 255)),
)


class GID5(GaofenDataset):
    """The adapter of the 150 scenes with 5 classes; ids are the names of the scenes."""

    name = "gid5"
    summary = "GID-5: 150 Gaofen-2 scenes of 6800 x 7200 at 4 m, RGB or NIR and RGB, 5 classes"
    licence = LICENCE
    citation = CITATION
    classes = CLASSES_5
    choices = channels(*KINDS_5)
    tree = TREE_5
    patterns = PATTERNS_5
    kinds = KINDS_5
    palette = EitherPalette(
        ExactPalette(colours_of(CLASSES_5), unlabelled=((0, 0, 0),)), IndexPalette(tuple(range(1, 6)), unlabelled=(0,))
    )


SPLITS: dict[str, Split] = {"train": "train", "val": "test"}

TREE_15 = """\
  GID/img_dir/train/GF2_PMS1__L1A0000647767-MSS1.tif      (and val)
  GID/ann_dir/train/GF2_PMS1__L1A0000647767-MSS1_15label.png"""

SPLIT = "(?P<split>train|val)/" + BELOW
PATTERNS_15 = {
    IMAGE: ("img_dir/" + SPLIT + r"(?P<scene>[^/]+?)" + RASTER,),
    MASK: ("ann_dir/" + SPLIT + r"(?P<scene>[^/]+?)_15label\.png",),
}


class GID15(PairedDataset):
    """The adapter of the scenes with 15 classes; ids are the names of the scenes."""

    name = "gid15"
    summary = "GID-15: Gaofen-2 scenes of 6800 x 7200 at 4 m, RGB, 15 classes"
    licence = LICENCE
    citation = CITATION
    classes = table(
        ("industrial_land", (200, 0, 0)),
        ("urban_residential", (250, 0, 150)),
        ("rural_residential", (200, 150, 150)),
        ("traffic_land", (250, 150, 150)),
        ("paddy_field", (0, 200, 0)),
        ("irrigated_land", (150, 250, 0)),
        ("dry_cropland", (150, 200, 150)),
        ("garden_plot", (200, 0, 200)),
        ("arbor_woodland", (150, 0, 250)),
        ("shrub_land", (150, 150, 250)),
        ("natural_grassland", (250, 200, 0)),
        ("artificial_grassland", (200, 200, 0)),
        ("river", (0, 0, 200)),
        ("lake", (0, 150, 200)),
        ("pond", (0, 200, 250)),
    )
    tree = TREE_15
    patterns = PATTERNS_15
    palette = IndexPalette(tuple(range(1, 16)), unlabelled=(0,))

    def slot(self, values: Values) -> Slot:
        """See PairedDataset."""
        scene = str(values["scene"])
        return Slot(scene, scene, SPLITS[str(values["split"])])
