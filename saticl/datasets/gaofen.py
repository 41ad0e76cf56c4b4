"""What the datasets of Gaofen-2 scenes share: GID-5, GID-15 and Five-Billion-Pixels.

They draw different classes into the same 150 scenes of 6800 x 7200 pixels at 4 m. Where nobody has drawn a class,
their masks are 0 (black): it is unlabelled, and a step takes it as background or as not known.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from saticl.datasets.base import Choice, Scene, Value
from saticl.datasets.pairs import IMAGE, MASK, RGB, Found, PairedDataset, Patterns, Slot, Values, is_held_out

NIRRGB = ("nir", *RGB)

SCENE = r"(?P<scene>gf2_[^/]+?)"


class GaofenDataset(PairedDataset):
    """A dataset of Gaofen-2 scenes whose images come in several kinds."""

    kinds: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]]
    """By the word after --channels: the expression of the images, and their bands."""

    def wanted(self, chosen: Mapping[str, Value]) -> Patterns:
        """See PairedDataset."""
        return {IMAGE: (self.kinds[str(chosen["channels"])][0],), MASK: self.patterns[MASK]}

    def made(self, found: Found, chosen: Mapping[str, Value], crs: str | None) -> Scene:
        """See PairedDataset."""
        return replace(super().made(found, chosen, crs), bands=self.kinds[str(chosen["channels"])][1])

    def slot(self, values: Values) -> Slot:
        """See PairedDataset: no split was published, so a fifth of the scenes is for testing, by their names."""
        scene = str(values["scene"])
        return Slot(scene, scene, "test" if is_held_out(scene) else "train")


def channels(*kinds: str) -> tuple[Choice, ...]:
    """The choice between kinds of images."""
    return (Choice("channels", kinds, "images", "which images, by their bands"),)
