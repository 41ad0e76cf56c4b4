"""DeepGlobe land cover. Pixels of "unknown" belong to no class, so the background is artificial.

`3-3`, `2-2-2` and `1x6` are of STCL-DRNet (IGARSS 2024), by the numbers of its code. `4-1-1` is of ProtoFlow
(arXiv:2604.03212), which then learns "unknown" as a last class; that step is left out here. ProtoFlow also shows the
labels of old classes in later steps (`train --labels-of-old use`).
"""

from saticl.protocols.ids import in_order
from saticl.tasks import Protocol, offline

DEEPGLOBE_CLASSES = ("urban", "agriculture", "rangeland", "forest", "water", "barren")
"""Classes in the order of the challenge."""

SIZES: dict[str, tuple[int, ...]] = {"3-3": (3, 3), "2-2-2": (2, 2, 2), "1x6": (*6 * [1],), "4-1-1": (4, 1, 1)}
"""Classes per step."""

DEEPGLOBE: tuple[Protocol, ...] = (
    offline(DEEPGLOBE_CLASSES),
    *(in_order(name, sizes, DEEPGLOBE_CLASSES) for name, sizes in SIZES.items()),
)
"""Protocols of DeepGlobe."""
