"""Cityscapes: street scenes of 50 cities in 19 classes, each image of 2048 x 1024 pixels.

The scores that are published are those of the official `val` images, so they are the test images here. A group is a
city: training and validation never share one, and learning orders may give cities to steps.
"""

from pathlib import Path

from saticl.datasets.base import ClassInfo, DatasetAdapter, Request, Scene
from saticl.datasets.photographs import BANDS, VIEWS, Layout, Pair
from saticl.geo.palette import IndexPalette
from saticl.labels import Colour, Split
from saticl.protocols.cityscapes import CITYSCAPES, CITYSCAPES_CLASSES

COLOURS: tuple[Colour, ...] = (
    *((128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153)),
    *((153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152)),
    *((70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70)),
    *((0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32)),
)
"""The official ones, by class."""

LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Value of each class in the masks `labelIds`; the other values are not scored."""

NOT_SCORED = tuple(value for value in (*range(-1, 34), 255) if value not in LABEL_IDS)

MASKS = {
    "_gtFine_labelIds.png": IndexPalette(LABEL_IDS, ignored=NOT_SCORED),
    "_gtFine_labelTrainIds.png": IndexPalette(tuple(range(len(LABEL_IDS))), ignored=(255,)),
}
"""Endings of masks, the one that is preferred first."""

IMAGE = "_leftImg8bit.png"
SPLITS: dict[str, Split] = {"train": "train", "val": "test"}
"""By official folder; images of `test` have no public masks."""

TREE = f"""\
  leftImg8bit/train/aachen/aachen_000000_000019{IMAGE}
  leftImg8bit/val/frankfurt/frankfurt_000000_000294{IMAGE}
  gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png
  gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelIds.png
or the same in leftImg8bit_trainvaltest/ and gtFine_trainvaltest/."""


class Cityscapes(DatasetAdapter):
    """The adapter; its images stay where they are."""

    name = "cityscapes"
    summary = "Cityscapes: street scenes of 2048 x 1024 in 19 classes, by city; images stay where they are"
    licence = "not commercial, terms to accept at cityscapes-dataset.com"
    citation = "Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016"
    classes = tuple(ClassInfo(name, colour) for name, colour in zip(CITYSCAPES_CLASSES, COLOURS, strict=True))
    bands = BANDS
    background = None
    protocols = CITYSCAPES
    views = VIEWS
    whole = True

    def scenes(self, root: Path, request: Request) -> list[Scene]:
        """See DatasetAdapter; ids are city_sequence_frame."""
        self.chosen(request)
        layout = Layout("Cityscapes", root, TREE)
        images = layout.first(("leftImg8bit", "leftImg8bit_trainvaltest/leftImg8bit"), "images (leftImg8bit)")
        masks = layout.first(("gtFine", "gtFine_trainvaltest/gtFine"), "masks (gtFine)")
        pairs = [pair for folder in SPLITS for pair in _pairs(images / folder, masks / folder, SPLITS[folder])]
        return layout.scenes(pairs, request)


def _pairs(images: Path, masks: Path, split: Split) -> list[Pair]:
    """All images and masks of a split, sorted by city and name; masks without image are pairs, too."""
    found = {(path.parent.name, path.name.removesuffix(IMAGE)) for path in images.glob(f"*/*{IMAGE}")}
    for ending in MASKS:
        found |= {(path.parent.name, path.name.removesuffix(ending)) for path in masks.glob(f"*/*{ending}")}
    return [_pair(images, masks, split, *names) for names in sorted(found)]


def _pair(images: Path, masks: Path, split: Split, city: str, name: str) -> Pair:
    files = {masks / city / f"{name}{ending}": palette for ending, palette in MASKS.items()}
    mask = next((path for path in files if path.is_file()), next(iter(files)))
    return Pair(name, city, split, images / city / f"{name}{IMAGE}", mask, files[mask])
