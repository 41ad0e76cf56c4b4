"""ISPRS Vaihingen: 33 orthophotos of about 2500 x 2000 pixels at 9 cm, in near infrared, red and green.

A label has the name of its image; only the folder tells them apart.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from saticl.datasets.base import DatasetAdapter, Request, Scene
from saticl.datasets.files import RawFile
from saticl.datasets.isprs import BANDS, CLASSES, DSM, LABELS, Kind, channels, find_files, folder_kind, listed
from saticl.labels import Split
from saticl.protocols import ISPRS

TRAIN = (1, 3, 5, 7, 11, 13, 15, 17, 21, 23, 26, 28, 30, 32, 34, 37)
TEST = (2, 4, 6, 8, 10, 12, 14, 16, 20, 22, 24, 27, 29, 31, 33, 35, 38)
SPLITS: dict[str, Split] = {
    **{f"area{area}": "train" for area in TRAIN},
    **{f"area{area}": "test" for area in TEST},
}
"""The official split; area9 of the eroded labels has no image and belongs to none."""

TREE = """\
  top/top_mosaic_09cm_area1.tif
  gts_for_participants/top_mosaic_09cm_area1.tif      (or the ..._ground_truth_COMPLETE.zip, or gt_complete/)
  gts_eroded_for_participants/top_mosaic_09cm_area1_noBoundary.tif      (--labels eroded)
  dsm/dsm_09cm_matching_area1.tif      (--dsm)"""

NAME = re.compile(
    r"(?P<what>top_mosaic_09cm|dsm_09cm_matching|ndsm_09cm_matching)?_?area_?0*(?P<area>\d+)"
    r"(?P<eroded>_?no_?boundary)?\.\w+"
)
FOLDERS: dict[str, Kind] = {
    "ndsm": "ndsm",
    "dsm": "dsm",
    "gt": "full",
    "label": "full",
    "ground_truth": "full",
    "isprs_semantic_labeling_vaihingen_ground_truth": "full",
    "top": "irrg",
    "irrg": "irrg",
    "rgb": "irrg",  # the predecessor's name for them; the bands are near infrared, red, green all the same
}


class Vaihingen(DatasetAdapter):
    """The adapter; its images are irrg."""

    name = "vaihingen"
    summary = "ISPRS Vaihingen: 33 scenes of about 2500 x 2000 at 9 cm, IRRG, surface model"
    licence = "research use, no redistribution, request it from ISPRS"
    citation = "Cramer, PFG 2010; provided by the DGPF"
    classes = CLASSES
    bands = BANDS["irrg"]
    background = None
    protocols = ISPRS
    choices = (channels("irrg"), LABELS, DSM)

    def scenes(self, root: Path, request: Request) -> list[Scene]:
        """See DatasetAdapter; ids are area1 to area38."""
        chosen = self.chosen(request)
        files = listed(root, "Vaihingen", TREE)
        return find_files(root, "Vaihingen", TREE, _recognised(files)).scenes(SPLITS, chosen, request)


def _recognised(files: list[RawFile]) -> Iterator[tuple[RawFile, str, Kind]]:
    for file in files:
        match = NAME.fullmatch(file.name)
        if match is not None:
            yield file, f"area{match['area']}", _kind(file, match["what"], match["eroded"])


def _kind(file: RawFile, what: str | None, eroded: str | None) -> Kind:
    """By the file's name where it tells, else by its folder; files in no telling folder are unpacked labels."""
    if eroded is not None:
        return "eroded"
    if what == "ndsm_09cm_matching":
        return "ndsm"
    kind = folder_kind(file.folders, FOLDERS)
    if what == "dsm_09cm_matching":
        return "ndsm" if kind == "ndsm" else "dsm"
    return kind or "full"
