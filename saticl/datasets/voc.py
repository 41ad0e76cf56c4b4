"""Pascal VOC 2012: photographs of 20 kinds of things, with the additional masks of SBD or without.

The scores that are published are those of the official `val` images, so they are the test images here.
"""

from collections import Counter
from pathlib import Path, PurePosixPath

from saticl.datasets.base import Choice, ClassInfo, DatasetAdapter, Request, Scene
from saticl.datasets.photographs import BANDS, VIEWS, Layout, Pair
from saticl.errors import MissingRawData
from saticl.geo.palette import IndexPalette
from saticl.labels import Colour, Split
from saticl.protocols.voc import BACKGROUND, VOC_CLASSES
from saticl.protocols.voc import VOC as PROTOCOLS

PALETTE = IndexPalette(tuple(range(len(VOC_CLASSES))), ignored=(255,))
"""Masks hold the labels themselves; 255 is void, the borders of things."""

LABELS = Choice(
    "labels",
    ("aug", "plain"),
    "masks",
    "aug: SegmentationClassAug, 10,582 training images; plain: SegmentationClass, 1,464",
)

MASKS = {"aug": "SegmentationClassAug", "plain": "SegmentationClass"}
LISTS = {"aug": ("train_aug.txt", "trainaug.txt"), "plain": ("train.txt",)}
"""Names of the list of training images."""

TEST_LIST = "val.txt"

PLACES = ("", "PascalVOC12", "VOCdevkit/VOC2012", "VOC2012", "PascalVOC2012", "PascalVOC2012/VOCdevkit/VOC2012")
"""Where images, masks and lists may lie; each is looked for on its own."""

LIST_FOLDERS = ("splits", "list", "ImageSets/Segmentation", "ImageSets/SegmentationAug")

TREE = """\
  JPEGImages/2007_000032.jpg
  SegmentationClassAug/2007_000032.png        (--labels aug)
  SegmentationClass/2007_000032.png           (--labels plain)
  splits/train_aug.txt, splits/val.txt        (--labels plain: train.txt, val.txt)
or the same in PascalVOC12/, PascalVOC2012/ or VOCdevkit/VOC2012/; lists also in list/ or ImageSets/Segmentation/."""


def colour_of(label: int) -> Colour:
    """The colour of a label in the official masks: its bits, three at a time, from the highest bit of each channel."""
    channels = [sum((label >> (3 * place + channel) & 1) << (7 - place) for place in range(3)) for channel in range(3)]
    red, green, blue = channels
    return red, green, blue


class VOC(DatasetAdapter):
    """The adapter; its images have different sizes and stay where they are."""

    name = "voc"
    summary = "Pascal VOC 2012: photographs of 20 kinds of things and background; images stay where they are"
    licence = "images under the terms of Flickr, research use"
    citation = (
        "Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2010; masks aug: Hariharan et al., "
        "Semantic Contours from Inverse Detectors, ICCV 2011"
    )
    classes = tuple(ClassInfo(name, colour_of(label)) for label, name in enumerate(VOC_CLASSES))
    bands = BANDS
    background = BACKGROUND
    protocols = PROTOCOLS
    choices = (LABELS,)
    views = VIEWS
    whole = True

    def scenes(self, root: Path, request: Request) -> list[Scene]:
        """See DatasetAdapter; ids are the names of the images, and the order is that of the lists."""
        which = str(self.chosen(request)["labels"])
        layout = Layout("Pascal VOC", root, TREE)
        images = layout.first((f"{place}/JPEGImages".lstrip("/") for place in PLACES), "images (JPEGImages)")
        folder = MASKS[which]
        masks = layout.first((f"{place}/{folder}".lstrip("/") for place in PLACES), f"masks ({folder})")
        train = _list(layout, LISTS[which])
        named = _named({"train": train, "test": train.with_name(TEST_LIST)})
        pairs = [
            Pair(name, name, split, images / f"{name}.jpg", masks / f"{name}.png", PALETTE)
            for name, split in named.items()
        ]
        return layout.scenes(pairs, request)


def _list(layout: Layout, names: tuple[str, ...]) -> Path:
    """The list of training images; beside it lies that of test images."""
    folders = [layout.root / place / folder for place in PLACES for folder in LIST_FOLDERS]
    for path in (folder / name for folder in folders for name in names):
        if path.is_file() and path.with_name(TEST_LIST).is_file():
            return path
    raise MissingRawData(
        f"{layout.root} has no lists {names[0]} and {TEST_LIST} of {layout.title}, side by side. Expected there:\n"
        f"{layout.tree}"
    )


def _named(lists: dict[Split, Path]) -> dict[str, Split]:
    """The split of each image that the lists name."""
    splits: dict[str, Split] = {}
    for split, path in lists.items():
        names = _names(path)
        twice = [name for name, often in Counter(names).items() if often > 1 or name in splits]
        if twice:
            where = ", ".join(map(str, lists.values()))
            raise MissingRawData(f"The image {twice[0]} is named more than once in {where}: correct the lists.")
        splits |= dict.fromkeys(names, split)
    return splits


def _names(path: Path) -> list[str]:
    """The images of a list: one per line, as a name, or as the paths of image and mask, with or without a slash."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MissingRawData(f"The list {path} cannot be read as text ({error}): download it again.") from error
    words = [line.split() for line in lines if line.strip()]
    for number, parts in enumerate(words, start=1):
        if len(parts) > 2:
            raise MissingRawData(
                f"Image {number} of the list {path} has {len(parts)} words ({' '.join(parts)[:60]}): expected a name, "
                "or the paths of an image and its mask."
            )
    if not words:
        raise MissingRawData(f"The list {path} is empty: download it again.")
    return [_stem(parts[0]) for parts in words]


def _stem(entry: str) -> str:
    """The name of an image without folder and ending."""
    name = PurePosixPath(entry).name
    return name.removesuffix(".jpg")
