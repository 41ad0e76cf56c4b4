"""OpenEarthMap: 5000 aerial and satellite images of about 1024 x 1024 pixels at 0.25 to 0.5 m, of 97 regions.

Xia et al., WACV 2023, arXiv:2210.10732. Each source has its own licence; what has none is CC BY-NC-SA 4.0. Text files
say what is for what. The labels of the official test split are withheld: its validation images are used for testing.
Images that come from xBD are not part of the download; without them, add --allow-missing. 0 is unknown, and ignored.
"""

import os
from pathlib import Path, PurePosixPath

from saticl.datasets.base import Request, Scene
from saticl.datasets.pairs import BELOW, IMAGE, MASK, RASTER, PairedDataset, Slot, Values, table
from saticl.errors import MissingRawData
from saticl.geo.palette import IndexPalette
from saticl.labels import Split

LISTS: dict[str, Split] = {"train.txt": "train", "val.txt": "test"}
"""Files with one name of an image per line."""

TREE = """\
  train.txt, val.txt      (unpacked, with one file name per line)
  aachen/images/aachen_1.tif
  aachen/labels/aachen_1.tif"""

SCENE = BELOW + r"(?P<scene>(?P<region>[^/]+)_\d+)" + RASTER
PATTERNS = {IMAGE: ("images/" + SCENE,), MASK: ("labels/" + SCENE,)}


class OpenEarthMap(PairedDataset):
    """The adapter; ids are the names of the images, groups are regions."""

    name = "openearthmap"
    summary = "OpenEarthMap: 3500 labelled images of about 1024 x 1024 at 0.25 to 0.5 m, RGB, 97 regions"
    licence = "CC BY-NC-SA 4.0, or that of the source"
    citation = "Xia et al., OpenEarthMap, WACV 2023"
    classes = table(
        ("bareland", (128, 0, 0)),
        ("rangeland", (0, 255, 36)),
        ("developed_space", (148, 148, 148)),
        ("road", (255, 255, 255)),
        ("tree", (34, 97, 38)),
        ("water", (0, 69, 255)),
        ("agriculture", (75, 181, 73)),
        ("building", (222, 31, 7)),
    )
    tree = TREE
    patterns = PATTERNS
    palette = IndexPalette(tuple(range(1, 9)), ignored=(0,))

    def slot(self, values: Values) -> Slot:
        """See PairedDataset; which split it is for is said by the lists."""
        return Slot(str(values["scene"]), str(values["region"]), "train")

    def scenes(self, root: Path, request: Request) -> list[Scene]:
        """See DatasetAdapter; images that no list names are left out."""
        listed = {name: split for file, split in LISTS.items() for name in _names(root, file)}
        slots = {name: Slot(name, name.rpartition("_")[0], split) for name, split in listed.items()}
        return self.gathered(root, request, lambda values: slots.get(str(values["scene"])), slots.values())


def _names(root: Path, file: str) -> list[str]:
    """The names in a list, lower case and without ending; raises MissingRawData where there is no such list."""
    paths = sorted(Path(folder) / file for folder, _, names in os.walk(root, followlinks=True) if file in names)
    if not paths:
        raise MissingRawData(f"{root} holds no {file}. Expected for OpenEarthMap:\n{TREE}")
    try:
        lines = paths[0].read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MissingRawData(f"{paths[0]} cannot be read as text ({error}): download it again.") from error
    return [PurePosixPath(line.strip().lower()).stem for line in lines if line.strip()]
