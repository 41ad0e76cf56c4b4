"""DeepGlobe land cover: 803 labelled satellite images of 2448 x 2448 pixels at 0.5 m.

Demir et al., CVPR Workshops 2018, arXiv:1805.06561. For research and education only (terms of the challenge). The
labels of the official validation and test images were never published. So a fifth of the labelled images is for
testing, chosen by the SHA-256 of their numbers; copies that come with `training_data` and `test_data` (as torchgeo
reads them) keep that split. Masks are lossy: every channel is thresholded at 128. Black is unknown, and ignored.
"""

from saticl.datasets.pairs import (
    BELOW,
    IMAGE,
    MASK,
    RASTER,
    PairedDataset,
    Slot,
    Values,
    colours_of,
    is_held_out,
    table,
)
from saticl.geo.palette import ThresholdPalette
from saticl.protocols.deepglobe import DEEPGLOBE

TREE = """\
  train/119_sat.jpg, train/119_mask.png      (folders valid and test without masks are left out)
or data/training_data/images/119_sat.jpg, data/training_data/masks/119_mask.png, and the same in data/test_data"""

SCENE = r"0*(?P<scene>\d+)"
PLACES = (r"(?P<unlabelled>valid|test)/" + BELOW, r"(?P<copy>training|test)_data/" + BELOW, "")
PATTERNS = {
    IMAGE: tuple(place + SCENE + "_sat" + RASTER for place in PLACES),
    MASK: tuple(place + SCENE + "_mask" + RASTER for place in PLACES),
}

CLASSES = table(
    ("urban", (0, 255, 255)),
    ("agriculture", (255, 255, 0)),
    ("rangeland", (255, 0, 255)),
    ("forest", (0, 255, 0)),
    ("water", (0, 0, 255)),
    ("barren", (255, 255, 255)),
)


class DeepGlobe(PairedDataset):
    """The adapter; ids are the numbers of the images."""

    name = "deepglobe"
    summary = "DeepGlobe land cover: 803 labelled images of 2448 x 2448 at 0.5 m, RGB"
    licence = "research and education only"
    citation = "Demir et al., DeepGlobe 2018, CVPR Workshops 2018"
    classes = CLASSES
    protocols = DEEPGLOBE
    tree = TREE
    patterns = PATTERNS
    palette = ThresholdPalette(colours_of(CLASSES), ignored=((0, 0, 0),))

    def slot(self, values: Values) -> Slot | None:
        """See PairedDataset."""
        if values.get("unlabelled"):
            return None
        scene, copy = str(values["scene"]), values.get("copy")
        is_test = copy == "test" if copy else is_held_out(scene)
        return Slot(scene, scene, "test" if is_test else "train")
