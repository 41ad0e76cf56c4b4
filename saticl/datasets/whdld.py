"""WHDLD: 4940 pieces of 256 x 256 pixels at 2 m, cut from one large image of Wuhan.

Shao et al., Remote Sensing 10(6), 2018, and IEEE JSTARS 13, 2020. For academic purposes. No split was published.
Consecutive numbers are neighbours, so a hundred of them are one group, and every fifth hundred is for testing. Masks
hold numbers beside a table of colours; the numbers count.
"""

from saticl.datasets.pairs import BELOW, IMAGE, MASK, RASTER, PairedDataset, Slot, Values, table
from saticl.geo.palette import IndexPalette

TREE = """\
  Images/wh0001.jpg
  ImagesPNG/wh0001.png"""

NEIGHBOURS = 100
"""Pieces in a group."""

EVERY = 5
"""Of so many groups, the last is for testing."""

PIECE = BELOW + r"(?P<scene>[a-z_]*0*(?P<number>\d+))" + RASTER
PATTERNS = {IMAGE: ("images/" + PIECE,), MASK: ("imagespng/" + PIECE,)}


class WHDLD(PairedDataset):
    """The adapter; ids are the names of the pieces."""

    name = "whdld"
    summary = "WHDLD: 4940 pieces of 256 x 256 at 2 m of Wuhan, RGB"
    licence = "academic use"
    citation = "Shao et al., IEEE JSTARS 13, 2020; Shao et al., Remote Sensing 10(6), 2018"
    classes = table(
        ("building", (255, 0, 0)),
        ("road", (255, 255, 0)),
        ("pavement", (192, 192, 0)),
        ("vegetation", (0, 255, 0)),
        ("bare_soil", (128, 128, 128)),
        ("water", (0, 0, 255)),
    )
    tree = TREE
    patterns = PATTERNS
    palette = IndexPalette(tuple(range(1, 7)))

    def slot(self, values: Values) -> Slot:
        """See PairedDataset."""
        hundred = int(str(values["number"])) // NEIGHBOURS
        is_test = hundred % EVERY == EVERY - 1
        return Slot(str(values["scene"]), f"hundred_{hundred}", "test" if is_test else "train")
