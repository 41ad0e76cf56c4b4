"""ISPRS Potsdam: 38 orthophotos of 6000 x 6000 pixels at 5 cm, with labels and surface models.

Two official masks are damaged (4_12 is blended, cars of 6_7 are 252 instead of 255) and one surface model lacks a
column (03_13): colours are thresholded, the model is padded, and both are counted.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from saticl.datasets.base import DatasetAdapter, Request, Scene
from saticl.datasets.files import RawFile
from saticl.datasets.isprs import BANDS, CLASSES, DSM, LABELS, Kind, channels, find_files, folder_kind, listed
from saticl.labels import Split
from saticl.protocols import ISPRS

TRAIN = (
    *("2_10", "2_11", "2_12", "3_10", "3_11", "3_12", "4_10", "4_11", "4_12", "5_10", "5_11", "5_12"),
    *("6_7", "6_8", "6_9", "6_10", "6_11", "6_12", "7_7", "7_8", "7_9", "7_10", "7_11", "7_12"),
)
TEST = (
    *("2_13", "2_14", "3_13", "3_14", "4_13", "4_14", "4_15"),
    *("5_13", "5_14", "5_15", "6_13", "6_14", "6_15", "7_13"),
)
SPLITS: dict[str, Split] = {**dict.fromkeys(TRAIN, "train"), **dict.fromkeys(TEST, "test")}
"""The official split, by row and column of the scene."""

TREE = """\
  2_Ortho_RGB/top_potsdam_2_10_RGB.tif         (--channels rgb)
  3_Ortho_IRRG/top_potsdam_2_10_IRRG.tif       (--channels irrg)
  4_Ortho_RGBIR/top_potsdam_2_10_RGBIR.tif     (--channels rgbir)
  5_Labels_all/top_potsdam_2_10_label.tif      (or 5_Labels_all_noBoundary: --labels eroded)
  1_DSM/dsm_potsdam_02_10.tif                  (--dsm)
or the same in rgb/ irrg/ rgbir/ labels_all/ dsm/; unpack an outer Potsdam.zip first."""

NAME = re.compile(
    r"(?:top_|dsm_)?(?:potsdam_)?0*(?P<row>\d+)_0*(?P<col>\d+)"
    r"(?:_(?P<what>rgbir|irrg|rgb|label(?:_?no_?boundary)?|normalized_lastools))?\.\w+"
)
FOLDERS: dict[str, Kind] = {
    "1_dsm_normal": "ndsm",
    "1_dsm": "dsm",
    "dsm": "dsm",
    "2_ortho": "rgb",
    "3_ortho": "irrg",
    "4_ortho": "rgbir",
    "5_labels": "full",
    "labels": "full",
    "irrg": "irrg",
    "rgbir": "rgbir",
    "rgb": "rgb",
}


class Potsdam(DatasetAdapter):
    """The adapter; its images come as rgb, irrg and rgbir."""

    name = "potsdam"
    summary = "ISPRS Potsdam: 38 scenes of 6000 x 6000 at 5 cm, RGB, IRRG or RGBIR, surface model"
    licence = "research use, request it from ISPRS"
    citation = "ISPRS 2D Semantic Labeling Contest, Potsdam"
    classes = CLASSES
    bands = BANDS["rgb"]
    background = None
    protocols = ISPRS
    choices = (channels("rgb", "irrg", "rgbir"), LABELS, DSM)

    def scenes(self, root: Path, request: Request) -> list[Scene]:
        """See DatasetAdapter; ids are row_col without padding, such as 2_10."""
        chosen = self.chosen(request)
        files = listed(root, "Potsdam", TREE)
        return find_files(root, "Potsdam", TREE, _recognised(files)).scenes(SPLITS, chosen, request)


def _recognised(files: list[RawFile]) -> Iterator[tuple[RawFile, str, Kind]]:
    for file in files:
        match = NAME.fullmatch(file.name)
        kind = None if match is None else _kind(file, match["what"])
        if match is not None and kind is not None:
            yield file, f"{match['row']}_{match['col']}", kind


def _kind(file: RawFile, what: str | None) -> Kind | None:
    """By the file's name, or by its folder where the name is silent."""
    match what:
        case "rgb" | "irrg" | "rgbir":
            return what
        case "normalized_lastools":
            return "ndsm"
        case "label":
            return "eroded" if folder_kind(file.folders, FOLDERS) == "eroded" else "full"
        case None:
            return "dsm" if file.name.startswith("dsm_") else folder_kind(file.folders, FOLDERS)
    return "eroded"
