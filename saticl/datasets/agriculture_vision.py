"""Agriculture-Vision: crops of 512 x 512 pixels of fields, RGB and near infrared in two files.

Chiu et al., CVPR 2020, arXiv:2001.01306, as released for the challenges of 2020 and 2021. For non-commercial research,
under terms that are accepted before the download. The labels of the official test split are withheld: its `val` is
used for testing. There are no official colours.

Every pattern has a mask of its own, and masks overlap, but here a pixel has one class: of several, that of the pattern
which stands later in `PATTERNS_2020` and `PATTERNS_2021`, where large patterns stand before small ones. (The challenge
accepts any of them, so its scores are higher.) What is in no mask is background. Pixels outside the field
(`boundaries`) or without data (`masks`) are ignored. Storm damage, which the challenge does not score, is ignored
where no other pattern is.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from saticl.datasets.base import MaskFile, Scene, Value
from saticl.datasets.pairs import BELOW, IMAGE, MASK, RASTER, RGB, Found, PairedDataset, Patterns, Slot, Values, table
from saticl.geo.palette import PresencePalette
from saticl.labels import IGNORE, Split
from saticl.protocols.agriculture_vision import AGRICULTURE_VISION

SPLITS: dict[str, Split] = {"train": "train", "val": "test"}

NIR, BOUNDARY, VALID = "near infrared image", "boundary", "mask of valid pixels"

IGNORED = "storm_damage"
"""A pattern that is no class."""

PATTERNS_2020 = ("cloud_shadow", "weed_cluster", "double_plant", "standing_water", "waterway", "planter_skip")
PATTERNS_2021 = (
    *(IGNORED, "nutrient_deficiency", "drydown", "weed_cluster", "endrow"),
    *("double_plant", "water", "waterway", "planter_skip"),
)
"""From the lowest to the one on top."""

TREE = """\
  train/images/rgb/ABC_0-0-512-512.jpg      (and val)
  train/images/nir/ABC_0-0-512-512.jpg
  train/labels/{pattern}/ABC_0-0-512-512.png      (of all patterns)
  train/boundaries/ABC_0-0-512-512.png
  train/masks/ABC_0-0-512-512.png"""

SPLIT = r"(?P<split>train|val)/" + BELOW
CROP = r"(?P<scene>(?P<field>[^/]+)_\d+-\d+-\d+-\d+)" + RASTER
OTHERS: Patterns = {
    IMAGE: (SPLIT + "images/rgb/" + CROP,),
    NIR: (SPLIT + "images/nir/" + CROP,),
    BOUNDARY: (SPLIT + "boundaries/" + CROP,),
    VALID: (SPLIT + "masks/" + CROP,),
}


def with_labels(patterns: tuple[str, ...]) -> Patterns:
    """The files of a crop, with a mask for each of these patterns."""
    return {**OTHERS, **{name: (f"{SPLIT}labels/{name}/{CROP}",) for name in patterns}}


class AgricultureVision(PairedDataset):
    """The adapter of the release of 2020; ids are the names of the crops, groups are fields."""

    name = "agriculture_vision"
    summary = "Agriculture-Vision 2020: crops of 512 x 512 of fields, RGB and NIR, 6 patterns"
    licence = "non-commercial research, under terms to accept"
    citation = "Chiu et al., Agriculture-Vision, CVPR 2020"
    classes = table(
        ("background", (0, 0, 0)),
        ("cloud_shadow", (112, 112, 128)),
        ("double_plant", (0, 160, 96)),
        ("planter_skip", (240, 200, 0)),
        ("standing_water", (0, 64, 224)),
        ("waterway", (0, 192, 240)),
        ("weed_cluster", (208, 0, 96)),
    )
    background = "background"
    bands = (*RGB, "nir")
    tree = TREE.format(pattern="cloud_shadow")
    order: ClassVar[tuple[str, ...]] = PATTERNS_2020
    patterns = with_labels(PATTERNS_2020)
    palette = PresencePalette(IGNORE, is_elsewhere=True)

    def slot(self, values: Values) -> Slot:
        """See PairedDataset."""
        return Slot(str(values["scene"]), str(values["field"]), SPLITS[str(values["split"])])

    def made(self, found: Found, chosen: Mapping[str, Value], crs: str | None) -> Scene:
        """See PairedDataset."""
        labels = {entry.name: label for label, entry in enumerate(self.classes)} | {IGNORED: IGNORE}
        drawn = [MaskFile(found.files[name], PresencePalette(labels[name])) for name in self.order]
        outside = [MaskFile(found.files[kind], self.palette) for kind in (BOUNDARY, VALID)]
        lowest, *others = (*drawn, *outside)
        scene = super().made(Found(found.slot, found.files | {MASK: lowest.path}), chosen, crs)
        return replace(
            scene, palette=lowest.palette, overlays=tuple(others), rest=labels["background"], more=(found.files[NIR],)
        )


class AgricultureVision2021(AgricultureVision):
    """The adapter of the release of 2021."""

    name = "agriculture_vision_2021"
    summary = "Agriculture-Vision 2021: crops of 512 x 512 of fields, RGB and NIR, 8 patterns"
    classes = table(
        ("background", (0, 0, 0)),
        ("double_plant", (0, 160, 96)),
        ("drydown", (176, 112, 48)),
        ("endrow", (144, 80, 240)),
        ("nutrient_deficiency", (192, 224, 64)),
        ("planter_skip", (240, 200, 0)),
        ("water", (0, 64, 224)),
        ("waterway", (0, 192, 240)),
        ("weed_cluster", (208, 0, 96)),
    )
    protocols = AGRICULTURE_VISION
    tree = TREE.format(pattern="drydown")
    order = PATTERNS_2021
    patterns = with_labels(PATTERNS_2021)
