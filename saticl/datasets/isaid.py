"""iSAID: the images of DOTA 1.0, 800 to 13000 pixels a side, with the pixels of 15 kinds of objects.

Zamir et al., CVPR Workshops 2019; images: Xia et al., DOTA, CVPR 2018. For academic purposes only, no commercial use.
The labels of the official test split are withheld: its `val` is used for testing, as in published scores. Masks are
colours, as they are downloaded, or numbers under the same names, as mmsegmentation writes them. The images P1527 and
P1530 are left out, as their masks are damaged. Images are of several satellites and aircraft, so their resolutions
differ, and no file says them.
"""

from saticl.datasets.pairs import BELOW, IMAGE, MASK, RASTER, PairedDataset, Slot, Values, colours_of, table
from saticl.geo.palette import EitherPalette, ExactPalette, IndexPalette
from saticl.labels import Split
from saticl.protocols.isaid import BACKGROUND
from saticl.protocols.isaid import ISAID as PROTOCOLS

SPLITS: dict[str, Split] = {"train": "train", "val": "test"}

DAMAGED = ("p1527", "p1530")
"""Images whose masks are damaged."""

TREE = """\
  train/images/P0000.png      (and val/; zipped or not, as images/part1.zip)
  train/Semantic_masks/images/P0000_instance_color_RGB.png      (zipped or not, as Semantic_masks/images.zip)"""

SCENE = r"(?P<split>train|val)/" + BELOW + r"(?P<scene>p\d+)"
PATTERNS = {IMAGE: (SCENE + RASTER,), MASK: (SCENE + "_instance_color_rgb" + RASTER,)}

CLASSES = table(
    (BACKGROUND, (0, 0, 0)),
    ("ship", (0, 0, 63)),
    ("storage_tank", (0, 63, 63)),
    ("baseball_diamond", (0, 63, 0)),
    ("tennis_court", (0, 63, 127)),
    ("basketball_court", (0, 63, 191)),
    ("ground_track_field", (0, 63, 255)),
    ("bridge", (0, 127, 63)),
    ("large_vehicle", (0, 127, 127)),
    ("small_vehicle", (0, 0, 127)),
    ("helicopter", (0, 0, 191)),
    ("swimming_pool", (0, 0, 255)),
    ("roundabout", (0, 191, 127)),
    ("soccer_field", (0, 127, 191)),
    ("plane", (0, 127, 255)),
    ("harbor", (0, 100, 155)),
)


class ISAID(PairedDataset):
    """The adapter; ids are those of the images, such as p0000."""

    name = "isaid"
    summary = "iSAID: 1869 labelled images of DOTA of 800 to 13000 pixels a side, RGB, 15 kinds of objects"
    licence = "academic use only, no commercial use"
    citation = "Zamir et al., iSAID, CVPR Workshops 2019; Xia et al., DOTA, CVPR 2018"
    classes = CLASSES
    background = BACKGROUND
    protocols = PROTOCOLS
    tree = TREE
    patterns = PATTERNS
    palette = EitherPalette(ExactPalette(colours_of(CLASSES)), IndexPalette(tuple(range(16)), ignored=(255,)))

    def slot(self, values: Values) -> Slot | None:
        """See PairedDataset; damaged images are left out."""
        scene = str(values["scene"])
        return None if scene in DAMAGED else Slot(scene, scene, SPLITS[str(values["split"])])
