"""DLRSD: the 2100 images of UC Merced, of about 256 x 256 pixels at 0.3 m, with a mask of 17 classes each.

Shao et al., Remote Sensing 10(6), 2018; images: Yang and Newsam, GIS 2010. For academic purposes. No split was
published. Each of the 21 folders has 100 images, and consecutive ones may show the same place: tens are one group, and
the images 80 to 99 of every folder are for testing. Masks hold numbers beside a table of colours; the numbers count.
"""

from saticl.datasets.pairs import IMAGE, MASK, PairedDataset, Slot, Values, table
from saticl.geo.palette import IndexPalette
from saticl.labels import Split

TREE = """\
  Images/airplane/airplane00.tif      (or those of UC Merced)
  Labels/airplane/airplane00.png"""

FIRST_TEST = 80
"""Images of a folder from this number on are for testing."""

NEIGHBOURS = 10
"""Images in a group."""

SCENE = r"(?P<place>[a-z]+)0*(?P<number>\d+)"
PATTERNS = {IMAGE: (SCENE + r"\.tiff?",), MASK: (SCENE + r"\.png",)}


class DLRSD(PairedDataset):
    """The adapter; ids are the names of the images."""

    name = "dlrsd"
    summary = "DLRSD: the 2100 images of UC Merced of about 256 x 256 at 0.3 m, RGB, 17 classes"
    licence = "academic use"
    citation = "Shao et al., Remote Sensing 10(6), 2018; Yang and Newsam, ACM SIGSPATIAL GIS 2010"
    classes = table(
        ("airplane", (166, 202, 240)),
        ("bare_soil", (128, 128, 0)),
        ("buildings", (0, 0, 128)),
        ("cars", (255, 0, 0)),
        ("chaparral", (0, 128, 0)),
        ("court", (128, 0, 0)),
        ("dock", (255, 233, 233)),
        ("field", (160, 160, 164)),
        ("grass", (0, 128, 128)),
        ("mobile_home", (90, 87, 255)),
        ("pavement", (255, 255, 0)),
        ("sand", (255, 192, 0)),
        ("sea", (0, 0, 255)),
        ("ship", (255, 0, 192)),
        ("tanks", (128, 0, 128)),
        ("trees", (0, 255, 0)),
        ("water", (0, 255, 255)),
    )
    tree = TREE
    patterns = PATTERNS
    palette = IndexPalette(tuple(range(1, 18)))

    def slot(self, values: Values) -> Slot:
        """See PairedDataset."""
        place, number = values["place"], int(str(values["number"]))
        split: Split = "test" if number >= FIRST_TEST else "train"
        return Slot(f"{place}{number:02d}", f"{place}_{number // NEIGHBOURS}", split)
