"""Small benchmarks of photographs in their official layouts: odd sizes, palettes, void borders, unlabelled pixels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from saticl.datasets.cityscapes import LABEL_IDS
from saticl.datasets.voc import colour_of
from saticl.protocols.ade20k import ADE20K_CLASSES
from saticl.protocols.voc import VOC_CLASSES
from tests.raw import write_picture

Mask = NDArray[np.uint8]

SHAPES = ((75, 100), (101, 67), (66, 90), (75, 100), (40, 33))
"""Height and width of the photographs, again and again; no side is a multiple of the network's stride."""

VOID_COLOUR = (224, 224, 192)

CITIES = {"train": ("aachen", "bremen", "ulm"), "val": ("frankfurt", "munster")}


def write_voc(
    root: Path,
    train: int = 6,
    test: int = 3,
    labels: Literal["aug", "plain"] = "aug",
    images: str = "JPEGImages",
    masks: str = "",
    lists: str = "",
    lines: Literal["paths", "names"] = "paths",
    ending: str = "\n",
    values: Sequence[int] = range(len(VOC_CLASSES)),
) -> dict[str, Mask]:
    """Photographs, masks and lists; returns the raw masks by name, training images first.

    `aug` masks are grey as in the mirrors of SegmentationClassAug, `plain` ones have the official palette. Folders are
    those of MiB's download unless named; `ending` ends the last line of a list.
    """
    folder = masks or {"aug": "SegmentationClassAug", "plain": "SegmentationClass"}[labels]
    place = root / (lists or {"aug": "splits", "plain": "ImageSets/Segmentation"}[labels])
    colours = {label: colour_of(label) for label in range(len(VOC_CLASSES))} | {255: VOID_COLOUR}
    written: dict[str, Mask] = {}
    for number in range(train + test):
        name = f"{2007 + number % 5}_{number:06d}"
        mask = written[name] = _things(SHAPES[number % len(SHAPES)], values, number, borders=255)
        _photograph(root / images / f"{name}.jpg", mask)
        write_picture(root / folder / f"{name}.png", mask[None], colours if labels == "plain" else None)
    names = list(written)
    place.mkdir(parents=True, exist_ok=True)
    for file, chosen in (
        ("train_aug.txt" if labels == "aug" else "train.txt", names[:train]),
        ("val.txt", names[train:]),
    ):
        entries = [f"/JPEGImages/{name}.jpg /{folder}/{name}.png" if lines == "paths" else name for name in chosen]
        (place / file).write_text("\n".join(entries) + ending)
    return written


def write_ade20k(
    root: Path, train: int = 6, test: int = 3, values: Sequence[int] = range(len(ADE20K_CLASSES) + 1), grey: int = 1
) -> dict[str, Mask]:
    """ADEChallengeData2016: photographs, of which training image number `grey` is grey, and masks 0 to 150."""
    written: dict[str, Mask] = {}
    parts = [("training", "train", number) for number in range(1, train + 1)]
    parts += [("validation", "val", number) for number in range(1, test + 1)]
    for place, (folder, short, number) in enumerate(parts):
        name = f"ADE_{short}_{number:08d}"
        mask = written[name] = _things(SHAPES[place % len(SHAPES)], values, place)
        bands = 1 if (short, number) == ("train", grey) else 3
        _photograph(root / "images" / folder / f"{name}.jpg", mask, bands)
        write_picture(root / "annotations" / folder / f"{name}.png", mask[None])
    return written


def write_cityscapes(
    root: Path,
    per_city: int = 2,
    values: Sequence[int] = (*LABEL_IDS, 0, 4, 29),
    masks: Literal["labelIds", "labelTrainIds"] = "labelIds",
    shape: tuple[int, int] = (66, 130),
    places: Mapping[str, Sequence[str]] = CITIES,
) -> dict[str, Mask]:
    """Street scenes of a few cities, and masks with values that are not scored among them."""
    written: dict[str, Mask] = {}
    for split, cities in places.items():
        for city in cities:
            for number in range(per_city):
                name = f"{city}_{number:06d}_000019"
                mask = written[name] = _things(shape, values, len(written))
                _photograph(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", mask)
                write_picture(root / "gtFine" / split / city / f"{name}_gtFine_{masks}.png", mask[None])
    return written


def _things(shape: tuple[int, int], values: Sequence[int], seed: int, borders: int | None = None) -> Mask:
    """Patches of 11 pixels: over a few images every value occurs; each image begins with another one."""
    height, width = shape
    rows, cols = height // 11 + 1, width // 11 + 1
    chosen = np.roll(np.asarray(values, np.uint8), -7 * seed)
    mask = np.resize(chosen, (rows, cols)).repeat(11, 0).repeat(11, 1)[:height, :width].copy()
    if borders is not None:
        mask[::11] = borders
    return mask


def _photograph(path: Path, mask: Mask, bands: int = 3) -> None:
    """Shades that tell the values apart."""
    write_picture(
        path, np.stack([(37 * (band + 1) * mask.astype(np.int64) % 251).astype(np.uint8) for band in range(bands)])
    )
