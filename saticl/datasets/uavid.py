"""UAVid: 270 labelled pictures of 3840 x 2160 or 4096 x 2160 pixels from drones above streets, in 27 sequences.

Lyu et al., ISPRS Journal 165, 2020, arXiv:1810.10438. CC BY-NC-SA 4.0. The labels of the official test sequences are
withheld: its validation sequences are used for testing. `clutter`, officially background clutter, is the background.
Pictures are oblique, so they are mirrored and never turned, and the ground that a pixel covers changes within them.
"""

from saticl.datasets.pairs import BELOW, IMAGE, MASK, RASTER, PairedDataset, Slot, Values, colours_of, table
from saticl.geo.palette import ExactPalette
from saticl.labels import Split
from saticl.views import Views

TRAIN = (*range(1, 16), *range(31, 36))
VAL = (*range(16, 21), 36, 37)
SPLITS: dict[int, Split] = {**dict.fromkeys(TRAIN, "train"), **dict.fromkeys(VAL, "test")}
"""By sequence; the others are the official test split, without labels."""

TREE = """\
  uavid_train/seq1/Images/000000.png      (and uavid_val; zipped or not)
  uavid_train/seq1/Labels/000000.png"""

SEQUENCE = r"seq_?0*(?P<sequence>\d+)/" + BELOW
PICTURE = r"(?P<picture>\d+)" + RASTER
PATTERNS = {IMAGE: (SEQUENCE + "images/" + PICTURE,), MASK: (SEQUENCE + "labels/" + PICTURE,)}

CLASSES = table(
    ("clutter", (0, 0, 0)),
    ("building", (128, 0, 0)),
    ("road", (128, 64, 128)),
    ("static_car", (192, 0, 192)),
    ("tree", (0, 128, 0)),
    ("low_vegetation", (128, 128, 0)),
    ("human", (64, 64, 0)),
    ("moving_car", (64, 0, 128)),
)


class UAVid(PairedDataset):
    """The adapter; ids are sequence and picture, such as seq1_000000."""

    name = "uavid"
    summary = "UAVid: 270 labelled oblique pictures of 3840 x 2160 or more from drones above streets, RGB"
    licence = "CC BY-NC-SA 4.0"
    citation = "Lyu et al., UAVid, ISPRS Journal of Photogrammetry and Remote Sensing 165, 2020"
    classes = CLASSES
    background = "clutter"
    views = Views(symmetries="mirror")
    tree = TREE
    patterns = PATTERNS
    palette = ExactPalette(colours_of(CLASSES))

    def slot(self, values: Values) -> Slot | None:
        """See PairedDataset; sequences without labels are left out."""
        split = SPLITS.get(int(str(values["sequence"])))
        group = f"seq{values['sequence']}"
        return None if split is None else Slot(f"{group}_{values['picture']}", group, split)
